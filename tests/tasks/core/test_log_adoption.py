"""Log groups and states: what is wanted, what is there, whose it is, and what is only ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.core import log_adoption, settings
from tasks.core.log_adoption import TYPE
from tasks.core.neighbours import Neighbour, Neighbourhood
from tasks.core.state_file import EMPTY, Resource, State

NOBODY = Neighbourhood()


@pytest.fixture
def make(client, aws):
    """`make(name, owner)`: a log group, with the tags of <project>-<workspace> where it has an owner."""
    made = []

    def put(name: str, owner: tuple[str, str] | None = None) -> str:
        tags = {"Project": owner[0], "Workspace": owner[1]} if owner else {"Team": "x"}
        client("logs").create_log_group(logGroupName=name, tags=tags)
        made.append(name)
        return name

    put.us = (aws.settings.project.slug, "local")
    yield put
    for name in made:
        client("logs").delete_log_group(logGroupName=name)


def resource(name: str, address: str = f"module.ec2_instances.{TYPE}.dmesg") -> Resource:
    return Resource(address, TYPE, {"id": name, "name": name})


def prefixed(aws, prefix: str | None, **more):
    return replace(aws, settings=replace(aws.settings, variables={
        **aws.settings.variables, "cloudwatch_prefix": prefix, **more}))


def held_by_a_neighbour(name: str) -> Neighbourhood:
    return Neighbourhood(((Neighbour("their-bucket", "prod", "k"), (resource(name),)),))


@pytest.mark.parametrize(("prefix", "hosts", "apps"), [(None, "/SLUG-local", "/SLUG-local"), ("", "", "/SLUG-local"),
                                                       ("/maps/dev", "/maps/dev", "/maps/dev")])
def test_what_is_wanted_follows_the_prefix(aws, slug, prefix, hosts, apps):
    hosts, apps = hosts.replace("SLUG", slug), apps.replace("SLUG", slug)
    wanted = log_adoption.wanted(prefixed(aws, prefix, db_log_exports=["postgresql"]).settings)
    assert wanted["module.ec2_instances.aws_cloudwatch_log_group.ecs-agent"] == f"{hosts}/var/log/ecs/ecs-agent.log"
    assert wanted['module.ecs["ows"].aws_cloudwatch_log_group.service'] == f"{apps}/apps/ows"
    assert wanted["module.jobs.aws_cloudwatch_log_group.jobs"] == f"{apps}/apps/jobs"
    assert wanted['module.database_layer.aws_cloudwatch_log_group.exports["postgresql"]'] == (
        f"/aws/rds/instance/{slug}-local/postgresql")
    assert len(wanted) == 9


def test_a_prefix_that_is_null_in_the_file_is_the_projects_own(root, slug):
    with open(root / "workspaces" / "local.tfvars", "a") as tfvars:
        tfvars.write("cloudwatch_prefix = null\n")
    assert log_adoption.own_prefix(settings.load("local", root)) == f"/{slug}-local"


def test_what_is_there_and_not_managed_can_be_adopted(aws, make, slug):
    mine, theirs, free = (make(f"/{slug}-local/var/log/{log}", owner) for log, owner in (
        ("dmesg", make.us), ("docker", ("other", "prod")), ("messages", None)))
    state = State(1, "x", (resource(mine),), {})
    found = {group.name: group for group in log_adoption.survey(aws, state, held_by_a_neighbour(theirs))}
    assert (found[mine].managed, found[mine].adoptable, found[mine].owner) == (True, False, aws.settings.id)
    assert (found[theirs].adoptable, found[theirs].owner) == (True, "other-prod")
    assert [str(holder) for holder in found[theirs].holders] == ["their-bucket: prod (k)"]
    assert (found[free].adoptable, found[free].owner, found[free].holders) == (True, "", ())
    absent = found[f"/{slug}-local/var/log/ecs/audit.log"]
    assert not absent.exists and not absent.adoptable


def test_another_group_at_the_address_is_in_the_way(aws, make, slug):
    make(f"/{slug}-local/var/log/dmesg")
    state = State(1, "x", (resource("/old/var/log/dmesg"),), {})
    found = log_adoption.survey(aws, state, NOBODY)[0]
    assert found.in_the_way and not found.adoptable and not found.managed
    assert not log_adoption.survey(aws, EMPTY, NOBODY)[0].in_the_way


def test_ours_alone_bears_our_tags_and_a_name_of_ours_and_nobody_else_holds_it(aws, make, slug):
    mine = make(f"/{slug}-local/var/log/dmesg", make.us)
    database = make(f"/aws/rds/instance/{slug}-local/postgresql", make.us)
    both = [resource(mine), resource(database)]
    aws = prefixed(aws, None, db_log_exports=["postgresql"])
    assert log_adoption.ours_alone(aws, both, NOBODY) == both
    assert log_adoption.ours_alone(aws, both, held_by_a_neighbour(mine)) == [resource(database)]
    assert log_adoption.ours_alone(aws, both, Neighbourhood(unread=("their-bucket",))) == []


@pytest.mark.parametrize("owner", [None, ("SLUG", "prod"), ("other", "local")])
def test_what_bears_other_tags_is_not_ours(aws, make, slug, owner):
    name = make(f"/{slug}-local/var/log/dmesg", owner and (owner[0].replace("SLUG", slug), owner[1]))
    assert log_adoption.ours_alone(aws, [resource(name)], NOBODY) == []


def test_what_lies_outside_our_prefix_is_not_ours_though_we_made_it(aws, make, slug):
    """With an empty prefix the hosts' names are everybody's: whoever else writes there may have no state at all."""
    shared = make(f"/var/log/{slug}", make.us)
    longer = make(f"/{slug}-local-2/var/log/dmesg", make.us)
    assert log_adoption.ours_alone(prefixed(aws, ""), [resource(shared), resource(longer)], NOBODY) == []


def test_a_group_that_is_gone_is_nobodys(aws, slug):
    assert log_adoption.ours_alone(aws, [resource(f"/{slug}-local/var/log/dmesg")], NOBODY) == []
