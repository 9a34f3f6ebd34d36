"""The tasks `service.*`, on records of the embedded AWS; Terraform's part is that of tests/stack."""

from __future__ import annotations

import json

import pytest
from invoke import Context, Exit

from tasks import service
from tasks.core import containers, embedded_aws, jobs, pins, revisions, service_deployments, shell, state_bucket
from tasks.core.console import BadInput, Refused, WentWrong
from tasks.core.plan import Plan
from tasks.core.revisions import Revision


@pytest.fixture
def stack(aws, client, slug, monkeypatch):
    """A cluster with the service ows of two recorded tasks, and one of none, as Terraform's outputs tell of them."""
    ecs = client("ecs")
    ecs.create_cluster(clusterName=slug)
    outputs = {
        "cluster": slug,
        "services": {},
        "jobs": {"admin": {"task_definition": "arn:x:1", "container": "admin", "log_group": "/x"}},
    }
    for name, count in (("ows", 2), ("spare", 0)):
        made = ecs.register_task_definition(
            family=f"{slug}-{name}",
            containerDefinitions=[
                {"name": "sidecar", "image": "sidecar:1", "memory": 8},
                {"name": name, "image": f"{name}:1", "memory": 8},
            ],
        )
        arn = made["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(cluster=slug, serviceName=f"{slug}-{name}", taskDefinition=arn, desiredCount=count)
        outputs["services"][name] = {
            "service": f"{slug}-{name}",
            "task_definition": arn,
            "image": f"{name}:1",
            "log_group": f"/{slug}/apps/{name}",
        }
    made = service.Stack(aws, None, outputs)
    monkeypatch.setattr(service, "deployed", lambda workspace, endpoint_from_env: made)
    return made


@pytest.fixture
def call(capsys):
    """`call(service.status, json=True)`: exit code, stdout, stderr."""

    def run(task, /, **flags):
        code = 0
        try:
            task(Context(), **flags)
        except Exit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


def test_status_is_the_contracts_list(stack, call, slug):
    code, out, _ = call(service.status, json=True)
    said = json.loads(out)
    assert code == 0 and list(said)[:4] == ["schema", "workspace", "account", "region"]
    assert said["services"] == [
        {
            "service": "ows",
            "task_definition": f"{slug}-ows:1",
            "image": "ows:1",
            "desired": 2,
            "running": 2,
            "healthy_targets": 0,
            "deployment": "COMPLETED",
        },
        {
            "service": "spare",
            "task_definition": f"{slug}-spare:1",
            "image": "spare:1",
            "desired": 0,
            "running": 0,
            "healthy_targets": 0,
            "deployment": "COMPLETED",
        },
    ]
    assert "2 of 2" in call(service.status)[1]


def test_a_service_that_was_rolled_back_or_is_gone_says_so(stack, call, client, slug):
    """ECS runs another revision than the one that Terraform deployed, and calls that completed."""
    stack.outputs["services"]["ows"]["task_definition"] = f"arn:aws:ecs:r:0:task-definition/{slug}-ows:2"
    client("ecs").delete_service(cluster=slug, service=f"{slug}-spare", force=True)
    states = [row["deployment"] for row in json.loads(call(service.status, json=True)[1])["services"]]
    assert states == ["ROLLED_BACK", "MISSING"]
    code, _, err = call(service.wait)
    assert code == 5 and f"{slug}-ows:2 failed and {slug}-ows:1 is in its place" in err
    assert f"There is no service {slug}-spare" in err


def test_a_service_that_is_held_says_so_and_is_followed_where_it_is_held(stack, call, slug, monkeypatch):
    """After a failed job Terraform has a newer revision than the service was given; a roll-back of before is not its own."""
    held = stack.outputs["services"]["ows"]
    held["runs"], held["task_definition"] = held["task_definition"], held["task_definition"].replace("ows:1", "ows:2")
    stack.outputs["services"]["spare"]["runs"] = stack.outputs["services"]["spare"]["task_definition"]
    asked = []
    monkeypatch.setattr(service_deployments, "rolled_back_lately", lambda session, cluster, name: asked.append(name))
    rows = json.loads(call(service.status, json=True)[1])["services"]
    assert [(row["task_definition"], row["deployment"]) for row in rows] == [
        (f"{slug}-ows:1", "HELD"), (f"{slug}-spare:1", "COMPLETED")]
    code, out, err = call(service.wait)
    assert code == 0 and "spare: deployed, and healthy.\nows: healthy, but held at an earlier revision" in out
    assert "next: invoke deploy" in err and asked == [f"{slug}-spare"]
    held["runs"] = held["task_definition"]
    assert json.loads(call(service.status, json=True)[1])["services"][0]["deployment"] == "ROLLED_BACK"


@pytest.fixture
def nothing_deployed(aws, root, monkeypatch):
    """The smallest project, before its first deploy; Terraform has no output."""
    terraform_ = type("Terraform", (), {"settings": aws.settings, "output": lambda self: {}})()
    monkeypatch.setattr(service.project, "load", lambda workspace: aws.settings)
    monkeypatch.setattr(service.steps, "connect_for_terraform", lambda session: terraform_)
    monkeypatch.setattr(service.steps, "init", lambda terraform_, session: None)
    return aws


def test_the_status_of_what_is_not_deployed_is_an_answer(nothing_deployed, call):
    for _ in ("no state", "nothing in the state"):
        code, out, err = call(service.status)
        assert (code, out) == (0, "Workspace local is not deployed. It has no service.\n") and "invoke deploy" in err
        code, out, _ = call(service.status, json=True)
        assert code == 0 and json.loads(out)["services"] == []
        code, _, err = call(service.wait)
        assert code == 3 and "Workspace local is not deployed." in err and "run: invoke deploy" in err
        state_bucket.ensure(nothing_deployed)


def test_a_status_that_is_refused_stays_refused(nothing_deployed, call, monkeypatch):
    def refuse(*_):
        raise Refused("These credentials are of account 2.")

    monkeypatch.setattr(service.steps, "connect_for_terraform", refuse)
    assert call(service.status)[0] == 3


def test_wait_answers_when_all_runs_and_says_who(stack, call, slug):
    code, out, err = call(service.wait)
    assert (code, out) == (0, "ows, spare: deployed, and healthy.\n")
    assert f"{slug}-ows: completed, 2 of 2 tasks run" in err
    assert json.loads(call(service.wait, service="ows", json=True)[1])["services"][0]["service"] == "ows"


def test_services_are_named_as_in_the_tfvars_or_as_in_ecs(stack, slug):
    assert list(stack.services("spare, ows")) == ["spare", "ows"]
    assert list(stack.services(f"{slug}-ows")) == ["ows"]
    with pytest.raises(BadInput, match=r"There is no service owls \(there are: ows, spare\)"):
        stack.services("ows,owls")
    with pytest.raises(BadInput, match="Say which service: ows, spare"):
        stack.service()


@pytest.mark.parametrize(
    ("job", "changed", "flags", "restarted"),
    [
        ("ranges", True, {}, ["ows"]),
        ("ranges", False, {}, ["ows"]),
        ("index", True, {}, ["ows"]),
        ("index", False, {}, []),
        ("schema", True, {}, ["ows"]),
        ("index", None, {}, ["ows"]),
        ("ranges", True, {"no_restart": True}, []),
    ],
)
def test_what_changed_in_the_database_reaches_running_services(stack, call, monkeypatch, job, changed, flags, restarted):
    """Their tasks look only as they start; a service of no tasks has nothing to start anew."""
    said = {} if changed is None else {"changed": changed}  # who does not say may have changed something
    monkeypatch.setattr(jobs, "run", lambda *_, **__: {"job": job, "added": 3, **said})
    before = containers.describe(stack.session, stack.cluster, stack.outputs["services"]["ows"]["service"]).deployments[0].id
    code, out, _ = call(service.run, job=job, json=True, **flags)
    said = json.loads(out)
    after = containers.describe(stack.session, stack.cluster, stack.outputs["services"]["ows"]["service"]).deployments[0].id
    assert code == 0 and said["restarted"] == restarted and said["result"]["added"] == 3
    assert (after != before) == bool(restarted)


@pytest.mark.parametrize(("stopped", "text"), [(["1a", "2b"], "Stopped: index (1a, 2b).\n"), ([], "index does not run.\n")])
def test_stopping_a_job_is_a_sentence_or_one_object(stack, call, monkeypatch, stopped, text):
    monkeypatch.setattr(jobs, "stop", lambda session, outputs, job: stopped)
    assert call(service.run, job="index", stop=True)[:2] == (0, text)
    code, out, _ = call(service.run, job="index", stop=True, json=True)
    said = json.loads(out)
    assert code == 0 and list(said)[:4] == ["schema", "workspace", "account", "region"]
    assert (said["job"], said["stopped"]) == ("index", stopped)


def test_a_job_that_failed_restarts_nothing(stack, call, monkeypatch):
    def fail(*_, **__):
        raise WentWrong("The job ranges failed with exit code 69.", run="invoke service.run products")

    monkeypatch.setattr(jobs, "run", fail)
    monkeypatch.setattr(containers, "restart", lambda *_: pytest.fail("restarted"))
    code, out, err = call(service.run, job="ranges")
    assert (code, out) == (5, "") and "exit code 69" in err and "run: invoke service.run products" in err


def test_where_tasks_are_recorded_only_no_job_runs(stack, call):
    code, _, err = call(service.run, job="index")
    assert code == 3 and "records tasks and does not run them" in err


class Terraform:
    """Terraform's part of a roll-back: what is planned and applied is asked here, done in tests/stack."""

    def __init__(self, outputs: dict):
        self.outputs = outputs

    def output(self) -> dict:
        return self.outputs


@pytest.fixture
def going_back(stack, monkeypatch):
    """A roll-back to the image r@sha256:11…; answers the list of what Terraform was asked to do."""
    digest, asked = "r@sha256:" + "1" * 64, []
    plan = type("Saved", (), {"plan": Plan(outputs=1)})()
    monkeypatch.setattr(revisions, "choose", lambda *_: Revision(3, "arn:3", digest, None))
    monkeypatch.setattr(service.steps, "connect_for_terraform", lambda session: Terraform(stack.outputs))

    def planned(terraform_, session, allow_older: bool):
        assert allow_older, "A plan refuses an older image; here it is what was asked for."
        asked.append("plan")
        return plan

    monkeypatch.setattr(service.planning, "plan", planned)
    monkeypatch.setattr(service.applying, "apply", lambda *_: asked.append("apply"))
    return asked, digest


def test_rolling_back_pins_the_old_image_applies_and_waits(stack, call, going_back):
    asked, digest = going_back
    code, out, err = call(service.rollback, service="ows", yes=True)
    assert (code, asked) == (0, ["plan", "apply"]), err
    assert pins.read(stack.session.settings) == {"ows": digest}
    assert "ows runs the image of revision 3 again" in out


@pytest.mark.parametrize("earlier", [None, b'{"images": {"ows": "r@sha256:2", "other": "x"}}'])
def test_a_roll_back_that_nobody_agreed_to_leaves_the_file_as_it_was(stack, call, going_back, earlier):
    file = stack.session.settings.images_file
    if earlier:
        file.write_bytes(earlier)
    code, _, err = call(service.rollback, service="ows")
    assert code == 3 and "add --yes" in err and going_back[0] == ["plan"]
    assert (file.read_bytes() if file.exists() else None) == earlier


def test_an_image_of_the_tfvars_is_not_rolled_back_behind_its_back(stack, call, going_back):
    """What stands in the tfvars is stronger than the pinned digest: Terraform would not take it."""
    settings = stack.session.settings
    settings.variables["services"]["ows"]["image"] = "r@sha256:" + "3" * 64
    try:
        code, _, err = call(service.rollback, service="ows", yes=True)
    finally:
        settings.variables["services"]["ows"]["image"] = None
    assert code == 3 and "stands in local.tfvars" in err and not settings.images_file.exists()


def test_a_shell_is_opened_in_the_newest_running_task(stack, call, monkeypatch):
    opened = []
    monkeypatch.setattr(embedded_aws, "status", lambda root: embedded_aws.Server(running=True, containers=True))
    monkeypatch.setattr(shell, "require_tools", lambda session: None)
    monkeypatch.setattr(
        shell,
        "execute",
        lambda session, cluster, task, container, command: opened.append((task.id, container, command)) or 7,
    )
    assert call(service.exec_, service="ows")[0] == 0, "how a person leaves a shell says nothing"
    code, _, err = call(service.exec_, service="ows", command="ls /nowhere", task=opened[0][0][:6])
    assert code == 5 and "exit code 7" in err
    assert opened[1] == (opened[0][0], "ows", "ls /nowhere")
    code, _, err = call(service.exec_, service="ows", task="zzz")
    assert code == 5 and "no running task zzz" in err
    assert "no running task to open a shell in (running: none)" in call(service.exec_, service="spare")[2]


@pytest.mark.parametrize(("task", "flags"), [(service.wait, {"timeout": "soon"}),
                                             (service.run, {"job": "index", "timeout": "0"}),
                                             (service.rollback, {"to": "last"})])  # fmt: skip
def test_what_is_no_number_is_a_sentence(stack, call, task, flags):
    code, out, err = call(task, **flags)
    assert (code, out) == (4, "") and "a whole number from 1 on was expected" in err
