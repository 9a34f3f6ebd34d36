"""One-off jobs: started once, followed, their exit code believed.

Where tasks are recorded only, the embedded AWS starts one that never ends: starting, finding, deriving and stopping are
tried there. How a task ends, no room, and time are canned. Real containers run in tests/stack.
"""

from __future__ import annotations

import json

import pytest

from canned_aws import CannedAws, definition, events, task
from tasks.core import ecs_tasks, embedded_aws, jobs
from tasks.core.console import BadInput, Failed, Interrupted, Refused, TookTooLong, WentWrong

ARN = "arn:aws:ecs:r:0:task-definition/small-job-admin:4"
OUTPUTS = {
    "cluster": "small",
    "capacity_provider": "small",
    "jobs": {
        "admin": {"task_definition": ARN, "container": "admin", "log_group": "/small/apps/jobs"},
        "nightly": {
            "task_definition": ARN.replace("admin", "nightly"),
            "container": "nightly",
            "log_group": "/small/apps/jobs",
        },
    },
}
INDEX = ["python3", "-m", "ows_jobs", "index"]
RESULT = 'RESULT {"job": "index", "changed": true, "added": 3}'


@pytest.fixture(autouse=True)
def containers_run(monkeypatch):
    monkeypatch.setattr(embedded_aws, "status", lambda root: embedded_aws.Server(running=True, containers=True))
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: None)


def a_task(status: str = "RUNNING", command: list[str] | None = None, **more) -> dict:
    override = {"containerOverrides": [{"name": "admin", "command": command or INDEX}]}
    return task(definition=more.pop("definition", ARN), status=status, container="admin", overrides=override, **more)


@pytest.fixture
def run(local):
    """`run(describe_tasks=…)`: the job index, with canned answers; what was logged and said is in .logged and .said."""

    def job(name: str = "index", limit: float = 60, **answers):
        canned = {
            "run_task": {"tasks": [a_task("PROVISIONING")], "failures": []},
            "describe_task_definition": definition("/small/apps/jobs", "admin"),
            **answers,
        }
        job.aws, job.logged, job.said = CannedAws(local, **canned), [], []
        return jobs.run(job.aws, OUTPUTS, name, job.logged.append, limit, job.said.append, poll=0)

    return job


def ended(*tasks: dict) -> list[dict]:
    return [{"tasks": [each]} for each in tasks]


def test_a_job_is_run_to_its_end_and_its_result_is_answered(run):
    said = [events("one"), events(), {"events": [{"message": "two"}, {"message": RESULT}], "nextForwardToken": "more"}]
    result = run(
        describe_tasks=ended(a_task("PROVISIONING"), a_task("PENDING"), a_task(), a_task("STOPPED", exit_code=0)),
        get_log_events=[said[0], said[1], said[2], events()],
    )
    assert result == json.loads(RESULT.removeprefix("RESULT "))
    assert run.logged == ["one", "two"], "each line once, and the result is for programs"
    assert [line.partition(" (")[0] for line in run.said] == [
        "index waits for a machine with room",
        "index starts: its image is pulled",
    ]


def test_what_is_asked_of_ecs(run):
    run(describe_tasks=ended(a_task("STOPPED", exit_code=0)), get_log_events=events(RESULT))
    [asked] = run.aws.calls("run_task")
    assert asked["taskDefinition"] == ARN and asked["startedBy"] == "invoke/index"
    assert asked["capacityProviderStrategy"] == [{"capacityProvider": "small", "weight": 1}]
    assert asked["overrides"] == {
        "containerOverrides": [{"name": "admin", "command": INDEX}]
    }
    assert asked["clientToken"]


def test_without_a_capacity_provider_the_clusters_default_decides(run, monkeypatch):
    monkeypatch.setitem(OUTPUTS, "capacity_provider", None)
    run(describe_tasks=ended(a_task("STOPPED", exit_code=0)), get_log_events=events(RESULT))
    assert not {"capacityProviderStrategy", "launchType"} & set(run.aws.calls("run_task")[0])


def test_a_failed_job_gives_its_exit_code_its_last_lines_and_what_to_run(run):
    line = "Could not find product s2 in datacube for layer scene"
    with pytest.raises(WentWrong) as wrong:
        run(
            "ranges",
            run_task={"tasks": [a_task()]},
            get_log_events=events("starting", line),
            describe_tasks=ended(a_task("STOPPED", exit_code=69, stoppedReason="Essential container in task exited")),
        )
    assert wrong.value.message.startswith("The job ranges failed with exit code 69. The layer scene wants the product s2")
    assert f"  {line}" in wrong.value.message and wrong.value.code == 5
    assert wrong.value.run == "invoke service.run products"


def test_an_exit_code_of_zero_is_believed_whatever_was_logged(run):
    assert (
        run(
            describe_tasks=ended(a_task("STOPPED", exit_code=0)),
            get_log_events=events('password authentication failed for user "u"', RESULT),
        )["added"]
        == 3
    )


@pytest.mark.parametrize("last", ["RESULT {", "RESULT 3", "and its last lines were lost"])
def test_a_job_that_does_not_say_whether_it_changed_anything_may_have(run, last):
    result = run(describe_tasks=ended(a_task("STOPPED", exit_code=0)), get_log_events=events("one", last))
    assert result == {} and jobs.changed(result)
    assert jobs.changed({"changed": True}) and not jobs.changed({"changed": False})


def test_a_job_whose_container_never_ran_did_not_start(run):
    stopped = a_task("STOPPED", stopCode="TaskFailedToStart", stoppedReason="CannotPullContainerError: manifest unknown")
    with pytest.raises(WentWrong, match="The job index did not start. The image is not in the registry"):
        run(describe_tasks=ended(stopped))


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("RESOURCE:MEMORY", "no machine of the cluster has enough memory left"),
        ("AGENT", "agents are not connected"),
        ("Something new", "Something new"),
    ],
)
def test_no_room_is_a_sentence(run, reason, sentence):
    with pytest.raises(Failed, match=f"The job index was not started: .*{sentence}") as failed:
        run(run_task={"tasks": [], "failures": [{"arn": "i", "reason": reason}, {"arn": "j", "reason": reason}]})
    assert failed.value.message.count(sentence) == 1 and failed.value.code == 1


def test_too_long_says_that_it_goes_on(run):
    with pytest.raises(TookTooLong, match="is not done after 0 minutes. The job index goes on in AWS") as late:
        run(describe_tasks=ended(a_task()), limit=0)
    assert late.value.run.startswith("invoke service.run index")


def test_ctrl_c_leaves_the_job_running_and_says_so(run):
    def interrupted(**_):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="The job index goes on in AWS") as left:
        run(describe_tasks=interrupted)
    assert left.value.code == 130 and "stop_task" not in dict(run.aws.asked)


def test_being_terminated_says_the_same(run):
    class Sigterm(BaseException):
        """As tasks/frame.py raises it."""

    def terminated(**_):
        raise Sigterm

    with pytest.raises(Sigterm):
        run(describe_tasks=terminated)
    assert run.said[-1].startswith("The job index goes on in AWS")


def listed(*running: dict):
    """ListTasks and DescribeTasks of tasks that run, the first of which ends well at the second look."""
    looks = {"n": 0}

    def describe(tasks: list[str], **_) -> dict:
        looks["n"] += 1
        known = {each["taskArn"]: each for each in running}
        done = looks["n"] > 1
        return {
            "tasks": [
                {**known[arn], "lastStatus": "STOPPED", "containers": [{"name": "admin", "exitCode": 0}]}
                if done
                else known[arn]
                for arn in tasks
                if arn in known
            ]
        }

    return {"list_tasks": {"taskArns": [each["taskArn"] for each in running]}, "describe_tasks": describe}


def test_a_job_that_runs_already_is_followed_and_not_started_twice(run):
    """A killed task has left it."""
    result = run(**listed(a_task()), get_log_events=events("from its beginning", RESULT))
    assert result["added"] == 3 and run.logged == ["from its beginning"]
    assert not run.aws.calls("run_task") and run.aws.calls("list_tasks")[0]["family"] == "small-job-admin"
    assert "index runs already" in run.said[0]


def test_the_same_job_of_another_revision_was_told_something_else_so_ours_comes_after_it(run):
    older = listed(a_task(definition=ARN.replace(":4", ":3"), id="2" * 32))

    def describe(tasks: list[str], **more) -> dict:
        if "2" * 32 in tasks[0]:
            return older["describe_tasks"](tasks, **more)
        return {"tasks": [a_task("STOPPED", exit_code=0)]}

    run(list_tasks=older["list_tasks"], describe_tasks=describe, get_log_events=events(RESULT))
    assert "an earlier one still runs (task 22222222); index comes after it." in run.said
    assert len(run.aws.calls("run_task")) == 1


def test_another_job_on_the_same_database_is_waited_for(run):
    other = listed(a_task(command=[*INDEX[:3], "schema"], id="2" * 32))

    def describe(tasks: list[str], **more) -> dict:
        return (
            other["describe_tasks"](tasks, **more) if "2" * 32 in tasks[0] else {"tasks": [a_task("STOPPED", exit_code=0)]}
        )

    run(list_tasks=other["list_tasks"], describe_tasks=describe, get_log_events=events(RESULT))
    assert "schema still runs (task 22222222); index comes after it." in run.said
    assert len(run.aws.calls("run_task")) == 1


def test_where_nothing_runs_no_job_is_started(run, monkeypatch):
    monkeypatch.setattr(embedded_aws, "status", lambda root: embedded_aws.Server(running=True, containers=False))
    with pytest.raises(Refused, match="records tasks and does not run them"):
        run()
    assert not run.aws.asked


@pytest.mark.parametrize("name", ["admin", "nonsense", ""])
def test_a_job_that_is_not_there(run, name):
    with pytest.raises(BadInput, match="init-db, schema, products, index, ranges, update, nightly"):
        run(name)


def test_a_job_of_the_workspace_runs_its_own_command(run):
    stopped = task(definition=OUTPUTS["jobs"]["nightly"]["task_definition"], container="nightly", exit_code=0)
    assert (
        run(
            "nightly",
            run_task={"tasks": [{**stopped, "lastStatus": "PENDING"}]},
            describe_tasks={"tasks": [stopped]},
            describe_task_definition=definition(container="nightly"),
            get_log_events=events("done"),
        )
        == {}
    )
    assert run.aws.calls("run_task")[0]["overrides"] == {"containerOverrides": [{"name": "nightly"}]}


# --- with the embedded AWS: what ECS keeps


@pytest.fixture
def outputs(client, slug) -> dict:
    """A cluster with the task definition of the administration jobs."""
    ecs = client("ecs")
    ecs.create_cluster(clusterName=slug)
    made = ecs.register_task_definition(
        family=f"{slug}-job-admin",
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        volumes=[{"name": "data", "host": {}}],
        containerDefinitions=[
            {
                "name": "admin",
                "image": "r/ows@sha256:" + "1" * 64,
                "memory": 1024,
                "environment": [{"name": "CHAMBER_SERVICE", "value": f"{slug}-local-admin"}],
            }
        ],
    )["taskDefinition"]
    return {
        "cluster": slug,
        "jobs": {
            "admin": {"task_definition": made["taskDefinitionArn"], "container": "admin", "log_group": f"/{slug}/apps/jobs"}
        },
    }


def test_a_started_task_is_found_again_and_can_be_stopped(aws, outputs):
    """The limit of zero leaves it where it is, as a killed `invoke` does."""
    for _ in range(2):
        with pytest.raises(TookTooLong):
            jobs.run(aws, outputs, "index", print, limit=-1)
    [task] = ecs_tasks.find(aws, outputs["cluster"], family=f"{outputs['cluster']}-job-admin")
    assert task.command == tuple(INDEX) and task.started_by == "invoke/index"
    assert jobs.stop(aws, outputs, "schema") == []
    assert jobs.stop(aws, outputs, "index") == [task.id]
    assert ecs_tasks.find(aws, outputs["cluster"], family=f"{outputs['cluster']}-job-admin") == []
