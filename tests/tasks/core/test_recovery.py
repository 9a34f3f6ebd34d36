"""What a stopped apply had begun: kept in mind, and found in the account again.

The whole stack, type by type, is looked for in tests/stack/test_in_flight.py; here stands what goes wrong, and what that
stack does not have.
"""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

from canned_aws import CannedAws, refusal
from tasks.core import recovery, runs, state_bucket, state_file, state_lock, unfinished
from tasks.core.console import Refused, TookTooLong
from tasks.core.initialise import state_object

SUFFIX = "20261123020000000000000001"  # as the provider appends it to a name_prefix


def ignore(event: dict) -> None:
    pass


def event(address: str, kind: str = "apply_start", action: str = "create") -> dict:
    return {"type": kind, "hook": {"resource": {"addr": address}, "action": action}}


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kind: str, tags: dict[str, str]) -> list[dict]:
    return [{"ResourceType": kind, "Tags": as_list(tags)}]


@pytest.fixture
def tags(slug) -> dict[str, str]:
    """Those that a plan would give everything of this test's own project."""
    return {"Project": slug, "Workspace": "local", "Name": f"{slug}-local"}


@pytest.fixture
def ec2(client):
    return client("ec2")


@pytest.fixture
def vpc(ec2, tags) -> str:
    return ec2.create_vpc(CidrBlock="10.7.0.0/16", TagSpecifications=specification("vpc", tags))["Vpc"]["VpcId"]


def test_what_was_begun_is_known_in_its_order_completed_or_not():
    """Terraform says that something is complete before its state has it, and a kill may fall in between."""
    events = [{"type": "version"}, event("b"), event("a"), event("c"), event("a", "apply_complete"),
              event("c", "apply_errored"), event("r", action="read"), event("u", action="update")]
    assert unfinished.begun(events) == ["b", "a", "c"]


def test_the_create_of_a_replacement_counts_and_its_delete_does_not():
    new_first = [event("a"), event("a", "apply_complete"), event("a", action="delete")]
    old_first = [event("b", action="delete"), event("b", "apply_complete", "delete"), event("b")]
    beside_it_an_older_one_goes = [event("c"), event("c", action="delete"), event("c", "apply_complete", "delete")]
    assert unfinished.begun(new_first + old_first + beside_it_an_older_one_goes) == ["a", "b", "c"]


@pytest.mark.parametrize("code", [0, 1])
def test_it_is_kept_in_mind_until_an_apply_succeeds(local, code):
    def ended(code: int, *addresses: str) -> runs.Run:
        script = "import json, sys\n" + "".join(f"print({json.dumps(event(each))!r})\n" for each in addresses)
        run = runs.start(local, "apply", [sys.executable, "-c", f"{script}sys.exit({code})"], dict(os.environ))
        runs.follow(run, ignore)
        unfinished.note(local, run)
        return run

    ended(1, "b")
    ended(1, "a", "b")
    assert unfinished.noted(local) == ["a", "b"]
    ended(code, "c")
    assert unfinished.noted(local) == ([] if code == 0 else ["a", "b", "c"])


def test_an_apply_of_a_part_forgets_nothing(local):
    """`logs.import` after a killed apply must not make the next deploy build a second VPC."""
    for code, whole, noted in ((1, True, ["a"]), (0, False, ["a"]), (0, True, [])):
        script = f"import sys\nprint({json.dumps(event('a'))!r})\nsys.exit({code})"
        run = runs.start(local, "apply", [sys.executable, "-c", script], dict(os.environ))
        runs.follow(run, ignore)
        unfinished.note(local, run, whole=whole)
        assert unfinished.noted(local) == noted


def test_every_type_of_the_stack_has_a_finder_or_a_reason_why_not(project_source):
    written = "\n".join(file.read_text() for file in project_source.rglob("*.tf"))
    types = set(re.findall(r'^resource "(\w+)"', written, re.MULTILINE))
    excused = set(re.findall(r"^(\w+)  +\S", recovery.__doc__, re.MULTILINE))
    assert len(types) > 40 and types == set(recovery.FINDERS) | excused and not set(recovery.FINDERS) & excused


def test_what_bears_the_name_and_all_tags_is_ours_and_what_only_bears_the_name_is_not(aws, client, slug, tags):
    arguments = {"name": slug, "tags_all": tags}
    assert recovery.find(aws, "aws_cloudwatch_log_group", arguments) is None
    client("logs").create_log_group(logGroupName=slug, tags={**tags, "Added": "by a person"})
    client("logs").create_log_group(logGroupName=f"{slug}-longer", tags=tags)
    assert recovery.find(aws, "aws_cloudwatch_log_group", arguments) == slug
    assert recovery.find(aws, "aws_cloudwatch_log_group", {**arguments, "tags_all": {**tags, "Workspace": "dev"}}) is None
    assert recovery.find(aws, "aws_cloudwatch_log_group", {"name": slug}) is None  # nothing says that it is ours


@pytest.mark.parametrize("type", sorted(recovery.FINDERS))
def test_where_nothing_is_nothing_is_found(aws, slug, tags, type):
    arguments = {name: slug for name in recovery.FINDERS[type].needs}
    special = {"container_definitions": "[]", "target": [{"arn": "a", "role_arn": "r"}], "vpc_zone_identifier": ["subnet-1"],
               "port": 80, "priority": 1}
    arguments |= {name: value for name, value in special.items() if name in arguments}
    assert recovery.find(aws, type, {**arguments, "tags_all": tags}) is None


def test_what_the_state_knows_already_is_not_what_was_lost(aws, vpc, tags):
    arguments = {"cidr_block": "10.7.0.0/16", "tags_all": tags}
    assert recovery.find(aws, "aws_vpc", arguments, {"vpc-other"}) == vpc
    assert recovery.find(aws, "aws_vpc", arguments, {vpc}) is None
    assert recovery.find(aws, "aws_vpc", {**arguments, "cidr_block": "10.8.0.0/16"}) is None


def test_of_two_that_fit_a_person_has_to_say_which(aws, ec2, vpc, tags):
    second = ec2.create_vpc(CidrBlock="10.7.0.0/16", TagSpecifications=specification("vpc", tags))["Vpc"]["VpcId"]
    arguments = {"cidr_block": "10.7.0.0/16", "tags_all": tags}
    with pytest.raises(recovery.Ambiguous, match="2 objects of type aws_vpc fit") as said:
        recovery.find(aws, "aws_vpc", arguments)
    assert said.value.ids == sorted([vpc, second]) and said.value.code == 3
    assert recovery.find(aws, "aws_vpc", arguments, {vpc}) == second


def test_what_is_made_from_something_that_is_not_there_yet_is_not_looked_for(local):
    nobody = CannedAws(local)  # would raise for any question
    assert recovery.find(nobody, "aws_subnet", {"cidr_block": "10.7.1.0/24", "tags_all": {"Project": "x"}}) is None


def test_an_internet_gateway_is_found_before_it_is_attached(aws, ec2, vpc, tags):
    made = ec2.create_internet_gateway(TagSpecifications=specification("internet-gateway", tags))
    gateway = made["InternetGateway"]["InternetGatewayId"]
    arguments = {"vpc_id": vpc, "tags_all": tags}
    assert recovery.find(aws, "aws_internet_gateway", arguments) == gateway
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert recovery.find(aws, "aws_internet_gateway", arguments) == gateway
    assert recovery.find(aws, "aws_internet_gateway", {**arguments, "vpc_id": "vpc-other"}) is None


def test_a_group_made_from_a_prefix_is_told_from_one_whose_name_only_begins_so(aws, ec2, vpc, slug, tags):
    def group(name: str) -> str:
        return ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc,
                                         TagSpecifications=specification("security-group", tags))["GroupId"]

    arguments = {"name_prefix": f"{slug}-", "description": "d", "vpc_id": vpc, "tags_all": tags}
    group(f"{slug}-ecs-{SUFFIX}")
    assert recovery.find(aws, "aws_security_group", arguments) is None
    ours = group(f"{slug}-{SUFFIX}")
    assert recovery.find(aws, "aws_security_group", arguments) == ours
    assert recovery.find(aws, "aws_security_group", {**arguments, "description": "another"}) is None


def test_a_rule_is_told_by_all_that_it_says(aws, ec2, vpc, slug, tags):
    group = ec2.create_security_group(GroupName=slug, Description="d", VpcId=vpc)["GroupId"]
    said = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.1.0.0/16", "Description": "SSH"}]}
    answer = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[said],
                                                  TagSpecifications=specification("security-group-rule", tags))
    rule = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    arguments = {"security_group_id": group, "ip_protocol": "tcp", "from_port": 22, "to_port": 22,
                 "cidr_ipv4": "10.1.0.0/16", "description": "SSH", "tags_all": tags}
    assert recovery.find(aws, "aws_vpc_security_group_ingress_rule", arguments) == rule
    assert recovery.find(aws, "aws_vpc_security_group_egress_rule", arguments) is None
    for other in ({"description": "by hand"}, {"to_port": 23}, {"cidr_ipv4": "10.2.0.0/16"}, {"tags_all": {"Project": "x"}}):
        assert recovery.find(aws, "aws_vpc_security_group_ingress_rule", {**arguments, **other}) is None


def test_a_group_that_was_adopted_half_made_lets_nothing_out_that_no_rule_of_ours_lets_out(aws, ec2, vpc, slug):
    group = ec2.create_security_group(GroupName=slug, Description="d", VpcId=vpc)["GroupId"]
    ours = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 5, "ToPort": 5, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ours"}]},
    ])["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    done = recovery.finish(aws, "aws_security_group", group)
    assert len(done) == 1 and "let everything out" in done[0]
    left = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert [rule["SecurityGroupRuleId"] for rule in left] == [ours]
    assert recovery.finish(aws, "aws_security_group", group) == [] == recovery.finish(aws, "aws_vpc", vpc)


def test_a_nat_gateway_that_is_gone_does_not_count(aws, ec2, vpc, tags):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=specification("elastic-ip", tags))["AllocationId"]
    assert recovery.find(aws, "aws_eip", {"tags_all": tags}) == address
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address,
                                     TagSpecifications=specification("natgateway", tags))["NatGateway"]["NatGatewayId"]
    arguments = {"subnet_id": subnet, "allocation_id": address, "tags_all": tags}
    assert recovery.find(aws, "aws_nat_gateway", arguments) == gateway
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    assert recovery.find(aws, "aws_nat_gateway", arguments) is None


def test_the_jumpbox_is_found_until_it_is_terminated(aws, ec2, vpc, tags):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.run_instances(ImageId="ami-1", InstanceType="t3.nano", MinCount=1, MaxCount=1, SubnetId=subnet,
                             TagSpecifications=specification("instance", tags))["Instances"][0]["InstanceId"]
    arguments = {"subnet_id": subnet, "instance_type": "t3.nano", "tags_all": tags}
    assert recovery.find(aws, "aws_instance", arguments) == made
    assert recovery.find(aws, "aws_instance", {**arguments, "instance_type": "t3.micro"}) is None
    ec2.terminate_instances(InstanceIds=[made])
    assert recovery.find(aws, "aws_instance", arguments) is None


def test_a_schedule_is_ours_when_it_starts_our_tasks_with_our_role(aws, client, slug):
    cluster, role = f"arn:aws:ecs:x:000000000000:cluster/{slug}", f"arn:aws:iam::000000000000:role/{slug}"
    client("scheduler").create_schedule(Name=slug, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
                                        Target={"Arn": cluster, "RoleArn": role})
    arguments = {"name": slug, "group_name": "default", "target": [{"arn": cluster, "role_arn": role}]}
    assert recovery.find(aws, "aws_scheduler_schedule", arguments) == f"default/{slug}"
    another = {**arguments, "target": [{"arn": cluster, "role_arn": f"{role}-2"}]}
    assert recovery.find(aws, "aws_scheduler_schedule", another) is None


def test_a_task_definition_is_the_newest_revision_that_says_the_same(aws, client, slug, tags):
    def revision(**more) -> str:
        containers = [{"name": "ows", "image": "i@sha256:1", "memory": 128, "essential": True,
                       "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], **more}]
        made = client("ecs").register_task_definition(family=slug, containerDefinitions=containers,
                                                      tags=[{"key": key, "value": value} for key, value in tags.items()])
        return made["taskDefinition"]["taskDefinitionArn"]

    def found(**more) -> str | None:
        containers = [{"name": "ows", "image": "i@sha256:1", "memory": 128, "command": None, "portMappings": [],
                       "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}], **more}]
        return recovery.find(aws, "aws_ecs_task_definition", {"family": slug, "tags_all": tags,
                                                              "container_definitions": json.dumps(containers)})

    assert found() is None
    revision()
    again, with_command, other_image = revision(), revision(command=["true"]), revision(image="i@sha256:2")
    assert found() == again and found(command=["true"]) == with_command and found(image="i@sha256:2") == other_image
    assert found(command=["false"]) is None and found(environment=[{"name": "A", "value": "1"}]) is None
    assert recovery.find(aws, "aws_ecs_task_definition", {
        "family": slug, "tags_all": tags, "task_role_arn": "arn:of:a:role", "container_definitions": json.dumps(
            [{"name": "ows", "image": "i@sha256:2", "memory": 128}])}) is None


def database(status: str, tags: dict[str, str]) -> dict:
    return {"DBInstances": [{"DBInstanceIdentifier": "x", "DBInstanceStatus": status, "TagList": as_list(tags)}]}


def test_what_aws_is_still_making_is_waited_for(local, tags, monkeypatch):
    """Canned: the embedded AWS has its databases at once."""
    monkeypatch.setattr(recovery, "POLL", 0)
    being_made = [database(status, tags) for status in ("creating", "creating", "configuring-log-exports", "available")]
    said: list[str] = []
    aws, arguments = CannedAws(local, describe_db_instances=being_made), {"identifier": "x", "tags_all": tags}
    assert recovery.find(aws, "aws_db_instance", arguments, say=said.append) == "x"
    assert said == ["Waiting for x: creating…", "Waiting for x: configuring-log-exports…"]
    monkeypatch.setattr(recovery, "PATIENCE", -1)
    with pytest.raises(TookTooLong, match="still creating"):
        recovery.find(CannedAws(local, describe_db_instances=database("creating", tags)), "aws_db_instance", arguments)


@pytest.mark.parametrize("answer", [database("deleting", {}), refusal("DBInstanceNotFound")])
def test_a_database_that_goes_or_is_not_there_is_not_found(local, tags, answer):
    aws = CannedAws(local, describe_db_instances=answer)
    assert recovery.find(aws, "aws_db_instance", {"identifier": "x", "tags_all": tags}) is None


def test_a_state_says_which_objects_it_knows_by_the_ids_that_import_takes():
    def resource(type: str, deposed: bool = False, **attributes: str) -> state_file.Resource:
        return state_file.Resource(f"{type}.x", type, attributes, deposed)

    resources = [resource("aws_security_group", id="sg-1"), resource("aws_security_group", True, id="sg-2"),
                 resource("aws_route", id="r-rtb-1", route_table_id="rtb-1", destination_cidr_block="0.0.0.0/0"),
                 resource("aws_ecs_service", id="arn:s", cluster="arn:aws:ecs:x:1:cluster/c", name="s")]
    assert recovery.known_ids(resources, "aws_security_group") == {"sg-1", "sg-2"}
    assert recovery.known_ids(resources, "aws_route") == {"rtb-1_0.0.0.0/0"}
    assert recovery.known_ids(resources, "aws_ecs_service") == {"c/s"}
    assert recovery.known_ids(resources, "aws_vpc") == set()


@pytest.fixture
def state(aws) -> dict:
    """A state in the bucket with one group that is there, and one that was set aside earlier."""
    instances = [{"index_key": "a", "attributes": {"id": "sg-1"}},
                 {"index_key": "a", "deposed": "0123abcd", "attributes": {"id": "sg-0"}}]
    group = {"mode": "managed", "module": "module.x", "type": "aws_security_group", "name": "g", "instances": instances}
    content = {"version": 4, "serial": 7, "lineage": "l", "outputs": {}, "resources": [group]}
    (aws.settings.root / "main.tf").write_text('terraform {\n  backend "s3" {\n    key = "k"\n  }\n}\n')
    state_bucket.ensure(aws)
    state_bucket.write_json(aws, state_object(aws.settings), content)
    return content


def test_what_is_to_be_replaced_is_set_aside_so_that_its_successor_can_be_adopted(aws, state):
    recovery.set_aside(aws, 'module.x.aws_security_group.g["a"]')
    after = state_file.load(aws)
    assert after.serial == 8 and [(each.attributes["id"], each.deposed) for each in after.resources] == [
        ("sg-1", True), ("sg-0", True)]
    with pytest.raises(Refused, match="holds nothing"):
        recovery.set_aside(aws, 'module.x.aws_security_group.g["a"]')
    assert state_file.load(aws) == after and state_lock.holder(aws) is None


def test_every_type_whose_new_one_comes_first_is_known(project_source):
    blocks = [block for file in project_source.rglob("*.tf") for block in re.split(r"(?m)^(?=resource )", file.read_text())]
    first = {block.split('"')[1] for block in blocks if re.search(r"create_before_destroy\s*=\s*true", block)}
    assert first == set(recovery.NEW_ONE_FIRST)
