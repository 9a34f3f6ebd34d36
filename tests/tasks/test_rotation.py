"""A database password is changed in the store and in the database, or in neither.

The job and Terraform are stood in for: what is tested here is what happens to the store when they end well, badly or not
at all. With real ones it is tried on a deployed stack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tasks import applying, planning, rotation
from tasks.core import containers, jobs, keys, parameter_store
from tasks.core.console import BadInput, Failed, Interrupted, Refused, TookTooLong, WentWrong
from tasks.core.plan import Change, Plan
from tasks.core.session import Session

OLD = "old-Pw-66Yt"
DATABASE = Change("module.database.aws_db_instance.db", "aws_db_instance", "update", stateful=True)
OTHER = Change("module.ecs.aws_ecs_service.ows", "aws_ecs_service", "update", stateful=False)
OUTPUTS = {"cluster": "c", "services": {"ows": {"service": "ows", "task_definition": "ows:1"},
                                        "own": {"service": "own", "task_definition": "own:1"}}}


@dataclass
class Saved:
    plan: Plan


@pytest.fixture
def store(aws: Session) -> Session:
    keys.create(aws)
    parameter_store.write(aws, aws.settings.chamber_service, "db_password", OLD)
    parameter_store.write(aws, aws.settings.admin_service, "db_password", OLD)
    return aws


@pytest.fixture
def job(monkeypatch, store):
    """What the job saw in the store, and a switch to have it end badly."""
    seen = {"error": None, "passwords": [], "restarted": []}

    def run(session, outputs, name, on_log):
        assert name == "init-db"
        seen["passwords"].append(parameter_store.read(session, session.settings.chamber_service, "db_password"))
        if seen["error"]:
            raise seen["error"]
        return {"job": name}

    monkeypatch.setattr(jobs, "require_containers", lambda session: None)
    monkeypatch.setattr(jobs, "run", run)
    monkeypatch.setattr(containers, "restart", lambda session, cluster, name: seen["restarted"].append(name) or "id")
    monkeypatch.setattr(containers, "wait_for_all", lambda following, on_progress: seen.update(
        followed=[(each.name, each.id) for each in following]))
    return seen


def password(store: Session, service: str = "") -> str:
    return parameter_store.read(store, service or store.settings.chamber_service, "db_password")


def test_a_new_password_reaches_the_job_by_the_store_and_its_services_are_followed(store, job, capfd):
    two = replace(store.settings, variables={**store.settings.variables, "services": {
        "ows": {}, "own": {"chamber_service": f"{store.settings.id}-own"}}})
    rotation.serving(replace(store, settings=two), OUTPUTS, store.settings.chamber_service)
    new = password(store)
    assert new != OLD and len(new) == 32 and job["passwords"] == [new]
    assert job["restarted"] == ["ows"] and job["followed"] == [("ows", "id")]
    assert new not in "".join(capfd.readouterr())


def test_a_failed_job_leaves_the_old_password(store, job):
    job["error"] = WentWrong("init-db ended with 1.")
    with pytest.raises(WentWrong, match="init-db ended with 1.\nThe old password is back in the store") as failed:
        rotation.serving(store, OUTPUTS, store.settings.chamber_service)
    assert password(store) == OLD and job["restarted"] == [] and job["passwords"] != [OLD]
    assert failed.value.run == "invoke service.run init-db"
    assert OLD not in str(failed.value) and job["passwords"][0] not in str(failed.value)


@pytest.mark.parametrize("error", [TookTooLong("still runs"), Interrupted("left running"), KeyboardInterrupt()])
def test_what_may_still_end_well_keeps_the_new_password(store, job, error, capfd):
    job["error"] = error
    with pytest.raises(type(error)):
        rotation.serving(store, OUTPUTS, store.settings.chamber_service)
    assert password(store) == job["passwords"][0] != OLD
    assert "invoke service.run init-db" in capfd.readouterr().err


def test_where_no_job_can_run_nothing_is_changed(store, monkeypatch):
    def refuse(session):
        raise Refused("No job can run here.")

    monkeypatch.setattr(jobs, "require_containers", refuse)
    with pytest.raises(Refused):
        rotation.serving(store, OUTPUTS, store.settings.chamber_service)
    assert parameter_store.version(store, store.settings.chamber_service, "db_password") == 1


@pytest.fixture
def terraform(monkeypatch):
    """The plans that Terraform is to make, one after the other; what was applied, and a switch to have that fail."""
    seen = {"plans": [], "applied": [], "error": None}

    def apply(terraform_, session, saved, allow_replace):
        if seen["error"]:
            raise seen["error"]
        seen["applied"].append((saved.plan, password(session, session.settings.admin_service)))

    monkeypatch.setattr(planning, "plan", lambda terraform_, session: Saved(seen["plans"].pop(0)))
    monkeypatch.setattr(applying, "apply", apply)
    return seen


def test_the_master_password_is_sent_by_a_plan_of_the_databases_update_alone(store, terraform):
    terraform["plans"] = [Plan(), Plan((DATABASE,))]
    rotation.administration(None, store)
    new = password(store, store.settings.admin_service)
    assert new != OLD and terraform["applied"] == [(Plan((DATABASE,)), new)]
    assert parameter_store.version(store, store.settings.admin_service, "db_password") == 2


def test_a_workspace_with_undeployed_changes_keeps_its_master_password(store, terraform):
    terraform["plans"] = [Plan((OTHER,))]
    with pytest.raises(Refused, match=r"aws_ecs_service.ows \(update\)") as refused:
        rotation.administration(None, store)
    assert refused.value.run == "invoke deploy"
    assert parameter_store.version(store, store.settings.admin_service, "db_password") == 1


@pytest.mark.parametrize("plan", [Plan((DATABASE, OTHER)), Plan(), Plan((replace(DATABASE, action="replace"),))])
def test_any_other_plan_is_not_applied(store, terraform, plan):
    terraform["plans"] = [Plan(), plan]
    with pytest.raises(Refused, match="the database's update and nothing else"):
        rotation.administration(None, store)
    assert password(store, store.settings.admin_service) == OLD and terraform["applied"] == []


def test_a_failed_apply_leaves_the_old_master_password(store, terraform):
    terraform["plans"], terraform["error"] = [Plan(), Plan((DATABASE,))], Failed("RDS said no.")
    with pytest.raises(Failed, match="RDS said no.\nThe old password is back") as failed:
        rotation.administration(None, store)
    assert failed.value.run == "invoke deploy" and password(store, store.settings.admin_service) == OLD


def test_only_a_login_of_this_workspace_can_be_chosen(store):
    settings = store.settings
    assert rotation.choose(settings, "") == settings.chamber_service
    assert rotation.choose(settings, settings.admin_service.upper()) == settings.admin_service
    with pytest.raises(BadInput, match="elsewhere was named"):
        rotation.choose(settings, "elsewhere")
    several = replace(settings, variables={**settings.variables, "services": {
        "ows": {}, "own": {"chamber_service": f"{settings.id}-own"}}})
    with pytest.raises(BadInput, match="No service was named"):
        rotation.choose(several, "")


def test_without_a_password_there_is_nothing_to_rotate(store):
    parameter_store.delete(store, store.settings.chamber_service, "db_password")
    with pytest.raises(Refused, match="that could be changed") as refused:
        rotation.require_password(store, store.settings.chamber_service)
    assert refused.value.run == "invoke deploy"
