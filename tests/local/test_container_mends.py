"""Each mend for real containers, shown twice: with it a task does what ECS's does, without it the defect is there."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from engine import docker
from room import Room, new, until
from tasks.core import embedded_aws

Probe = Callable[[Room], bool]
PROBES: dict[str, Probe] = {}
LIVES: dict[str, Probe] = {}  # probes that stop or start their server


def probe(name: str, probes: dict[str, Probe] = PROBES) -> Callable[[Probe], Probe]:
    """Register what shows that a mend works: true with it, false without it."""

    def register(function: Probe) -> Probe:
        probes[name] = function
        return function

    return register


@pytest.mark.parametrize("name", PROBES)
def test_what_a_mend_mends_is_broken_without_it(name, shared_room, room):
    assert PROBES[name](shared_room)
    assert not PROBES[name](room.start("--without-mend", name))


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("mended", [True, False], ids=["with", "without"])
def test_what_a_mend_of_the_servers_life_mends_is_broken_without_it(name, mended, room):
    assert LIVES[name](room.start(*([] if mended else ["--without-mend", name]))) == mended


def test_every_mend_of_containers_has_a_probe(python):
    command = [str(python), "-B", str(embedded_aws.PROGRAM), "--list-mends"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {line.split(":")[0].removesuffix(" (containers)") for line in lines if "(containers):" in line}
    assert names == {*PROBES, *LIVES, "rds.postgis-image", "rds.address", "rds.data"}  # the last three: test_database


# Tasks


@probe("ecs.container-fields")
def container_is_what_its_definition_says(room):
    task = room.run("", entryPoint=["sh", "-c"], command=["id; touch /here || echo read-only; echo $0"], user="1000",
                    readonlyRootFilesystem=True, workingDirectory="/www", memory=48, stopTimeout=3,
                    ulimits=[{"name": "nofile", "softLimit": 77, "hardLimit": 77}],
                    linuxParameters={"tmpfs": [{"containerPath": "/mine", "size": 4}], "initProcessEnabled": True})
    if "read-only" not in room.log(task, 3):
        return False
    made = room.inspect(task)
    limits = made["HostConfig"]
    return (room.log(task)[0] == "uid=1000 gid=0 groups=0" and made["Config"]["WorkingDir"] == "/www"
            and limits["Memory"] == 48 << 20 and limits["Ulimits"][0]["Hard"] == 77
            and limits["Tmpfs"] == {"/mine": "size=4m"})


@probe("ecs.published-ports")
def ports_are_open_on_loopback_alone(room):
    task = room.running(room.begin("httpd -f -p 8000 -h /www", portMappings=[{"containerPort": 8000, "hostPort": 0}]))
    bound = room.task(task["taskArn"])["containers"][0]["networkBindings"]
    open_at = {each["HostIp"] for each in room.inspect(task)["NetworkSettings"]["Ports"]["8000/tcp"]}
    room.aws("ecs").stop_task(task=task["taskArn"])
    return open_at == {"127.0.0.1"} and [(each["bindIP"], each["containerPort"]) for each in bound] == [("127.0.0.1", 8000)]


@probe("ecs.exit-codes")
def stopped_task_says_how_it_ended(room):
    task = room.running(room.begin("trap 'exit 9' TERM; while true; do sleep 0.1; done"))
    room.aws("ecs").stop_task(task=task["taskArn"])
    return room.task(task["taskArn"])["containers"][0].get("exitCode") == 9


@probe("ecs.failed-start")
def nothing_stays_of_a_container_that_did_not_start(room):
    task = room.run("", command=["/no/such/program"])
    label = f"label=com.amazonaws.ecs.task-arn={task['taskArn']}"
    return task["stopCode"] == "TaskFailedToStart" and until(
        lambda: not docker("ps", "--all", "--quiet", "--filter", label).stdout, bool, 2)


@probe("ecs.watched-by-waiting")
def running_tasks_are_not_asked_after(room):
    idle = _turns(room.server.pid, 3)
    tasks = [room.running(room.begin("sleep 60", stopTimeout=1)) for _ in range(3)]
    turns = _turns(room.server.pid, 3)
    for task in tasks:
        docker("kill", room.inspect(task)["Id"])
    return turns - idle < 80 and until(lambda: {room.task(task["taskArn"])["lastStatus"] for task in tasks},
                                       lambda found: found == {"STOPPED"}, 10) == {"STOPPED"}


def _turns(pid: int, seconds: float) -> int:
    """How often a process's threads waited for something in that time: a question to the engine is a few of them."""

    def so_far() -> dict[str, int]:
        found = {}
        for file in Path(f"/proc/{pid}/task").glob("*/status"):
            with contextlib.suppress(OSError):  # that thread has ended
                found[file.parent.name] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read_text(), re.M)[1])
        return found

    before = so_far()
    time.sleep(seconds)
    return sum(count - before.get(thread, 0) for thread, count in so_far().items())


@probe("ecs.local-images")
def missing_image_is_said_in_aws_words(room):
    task = room.run("", image="127.0.0.1:9/nobody/nothing:1")
    return task["stoppedReason"].startswith("CannotPullContainerError: ")


@probe("ecs.volumes")
def files_outlive_their_task(room):
    efs = room.aws("efs")
    system = efs.create_file_system(CreationToken=new("files"))["FileSystemId"]
    owner = {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "0755"}
    point = efs.create_access_point(FileSystemId=system, RootDirectory={"Path": "/data", "CreationInfo": owner})
    volume = {"name": "data", "efsVolumeConfiguration": {
        "fileSystemId": system, "transitEncryption": "ENABLED",
        "authorizationConfig": {"accessPointId": point["AccessPointId"]}}}
    scratch = {"name": "scratch", "dockerVolumeConfiguration": {"scope": "shared", "driver": "local"}}
    mounted = {"volumes": (volume, scratch), "family": new("files"), "mountPoints": [
        {"sourceVolume": "data", "containerPath": "/data"}, {"sourceVolume": "scratch", "containerPath": "/scratch"}]}
    room.run("echo kept > /data/file; echo scratch > /scratch/file", user="1000", **mounted)
    room.run("echo scratch > /scratch/file", **mounted)
    found = room.run("cat /data/file /scratch/file", **mounted)
    return room.log(found, 2) == ["kept", "scratch"] and len(room.volumes()) >= 2


@probe("ecs.environment")
def task_finds_the_embedded_aws(room):
    own = {"AWS_REGION": "mine", "AWS_ENDPOINT_URL": "own"}
    task = room.run("env", environment=[{"name": name, "value": value} for name, value in own.items()])
    said = dict(line.split("=", 1) for line in room.log(task, 12) if "=" in line)
    place = f"{room.containers.bridge}:{room.server.port}"
    wanted = {**own, "AWS_DEFAULT_REGION": "ap-southeast-2", "AWS_HTTPS": "NO",
              "AWS_ACCESS_KEY_ID": "000000000000", "AWS_SECRET_ACCESS_KEY": "local", "AWS_VIRTUAL_HOSTING": "FALSE",
              "CHAMBER_AWS_SSM_ENDPOINT": f"http://{place}", "AWS_S3_ENDPOINT": place}
    return wanted.items() <= said.items() and "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in said and bool(
        room.log(room.run(f"wget -q -O - http://{place}/_local")))


@probe("ecs.secrets")
def secret_arrives_in_clear_and_needs_its_key(room):
    kms, ssm, name = room.aws("kms"), room.aws("ssm"), "/" + new("secret")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ssm.put_parameter(Name=name, Value="in clear", Type="SecureString", KeyId=key)
    secrets = [{"name": "SECRET", "valueFrom": name}]
    before = room.log(room.run("echo $SECRET", secrets=secrets))
    kms.disable_key(KeyId=key)
    task = room.run("echo $SECRET", secrets=secrets)
    return before == ["in clear"] and task["stoppedReason"].startswith("ResourceInitializationError")


@probe("scheduler.run-task")
def schedule_starts_its_task(room):
    group, definition = new("nightly"), room.define(command=["sh", "-c", "echo $WHAT"])
    cluster = room.aws("ecs").create_cluster(clusterName="default")["cluster"]["clusterArn"]
    overrides = {"containerOverrides": [{"name": "one", "environment": [{"name": "WHAT", "value": "scheduled"}]}]}
    room.aws("scheduler").create_schedule(
        Name=group, ScheduleExpression="at(2026-01-01T00:00:00)", FlexibleTimeWindow={"Mode": "OFF"}, Target={
            "Arn": cluster, "RoleArn": "arn:aws:iam::000000000000:role/r", "Input": json.dumps(overrides),
            "EcsParameters": {"TaskDefinitionArn": definition, "Group": group}})

    def started() -> list[str]:
        found = room.aws("ecs").list_tasks(family=definition.rsplit("/", 1)[1].split(":")[0], desiredStatus="STOPPED")
        return found["taskArns"]

    found = until(started, bool, 25)
    return len(found) == 1 and room.log({"taskArn": found[0]}) == ["scheduled"]


# The load balancer


@contextmanager
def _answering(answer: Callable[[str], int]) -> Iterator[int]:
    """A web server here, whose answers' codes a function gives; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = answer(self.path)
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _balanced(room: Room, *ports: int) -> tuple[str, str, str]:
    """A load balancer, its target group with targets at these ports, and the address of its front."""
    service = room.serve(count=0)
    elb = room.aws("elbv2")
    for port in ports:
        elb.register_targets(TargetGroupArn=service.group, Targets=[{"Id": "127.0.0.1", "Port": port}])
    balancer = elb.describe_load_balancers(Names=[service.name])["LoadBalancers"][0]["LoadBalancerArn"]
    return balancer, service.group, service.address


def _health(room: Room, group: str) -> list[str]:
    found = room.aws("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return [each["TargetHealth"]["State"] for each in found]


def _status(address: str, seconds: float = 10) -> int:
    place, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(place, timeout=seconds)
    connection.request("GET", "/" + path)
    return connection.getresponse().status


@probe("elb.target-health")
def target_is_healthy_when_it_answers_well(room):
    with _answering(lambda path: 200) as good, _answering(lambda path: 500) as bad, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        fronts = [_balanced(room, port) for port in (good, bad, nobody.getsockname()[1])]
        states = until(lambda: [_health(room, group) for _, group, _ in fronts],
                       lambda found: found == [["healthy"], ["unhealthy"], ["unhealthy"]], 12)
        return states == [["healthy"], ["unhealthy"], ["unhealthy"]] and [
            _status(address + "/") for *_, address in fronts] == [200, 500, 502]


@probe("elb.idle-timeout")
def patience_is_the_load_balancers(room):
    def slow(path: str) -> int:
        time.sleep(2 if path == "/slow" else 0)
        return 200

    elb, attribute = room.aws("elbv2"), "idle_timeout.timeout_seconds"
    for each in elb.describe_load_balancers()["LoadBalancers"]:  # of other tests: the longest counts
        elb.modify_load_balancer_attributes(LoadBalancerArn=each["LoadBalancerArn"], Attributes=[
            {"Key": attribute, "Value": "1"}])
    with _answering(slow) as port:
        balancer, group, address = _balanced(room, port)
        until(lambda: _health(room, group), lambda found: found == ["healthy"], 5)
        codes = []
        for seconds in ("1", "130"):
            elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": attribute, "Value": seconds}])
            codes.append(_status(address + "/slow"))
        return codes == [504, 200]


# Services


@probe("ecs.steady-when-healthy")
def deployment_is_complete_when_its_tasks_are_healthy(room):
    good, bad = room.serve(), room.serve(path="/nothing")
    settled = good.settle(15)["deployments"][0]["rolloutState"] == "COMPLETED" and good.targets == ["healthy"]
    seen = until(lambda: (bad.now["deployments"][0]["rolloutState"], bad.said), lambda found: found[0] == "COMPLETED" or any(
        "is unhealthy in (target-group" in each for each in found[1]), 15)
    return settled and seen[0] == "IN_PROGRESS" and any("codes: [404]" in each for each in seen[1]) and any(
        "has reached a steady state" in each for each in good.said)


@probe("ecs.failed-deployments-go")
def rolled_back_service_is_stable_again(room):
    service = room.serve()
    service.settle()
    service.update(command=["/no/such/program"])
    until(lambda: service.said, lambda said: any("rolled back" in each for each in said), 20)
    return len(service.settle(6)["deployments"]) == 1 and service.outcomes == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]


@probe("ecs.back-off")
def failing_tasks_are_started_ever_more_slowly(room):
    service = room.serve(breaker=False, command=["/no/such/program"])
    time.sleep(16)  # without the back-off it is one a second or two, on a machine that has other things to do
    return len(room.aws("ecs").list_tasks(serviceName=service.name, desiredStatus="STOPPED")["taskArns"]) <= 7


# The server's life


@probe("engine.own-containers", LIVES)
def containers_bear_the_homes_label(room):
    room.running(room.begin("sleep 60"))
    instance = json.loads((room.home / "instance.json").read_text())["instance"]
    labels = docker("ps", "--filter", "ancestor=" + room.image, "--format", '{{.Label "ministack.instance"}}').stdout.split()
    return instance in labels and len(room.ids()) == 1


@probe("engine.orderly-end", LIVES)
def nothing_runs_after_the_end_and_nothing_failed(room):
    quick = "trap 'exit 1' TERM; while true; do sleep 0.1; done"
    service = room.serve(count=2, path="/nothing", command=["sh", "-c", quick])
    until(lambda: service.now["runningCount"], lambda count: count == 2, 15)
    room.running(room.begin("sleep 60"))  # takes its time to end, which the service would use
    room.stop()
    return not room.ids() and _saved_failures(room.home) == 0


def _saved_failures(home: Path) -> int:
    """How many failed tasks the last snapshot counts against deployments."""
    text = sorted((home / "account").glob("[0-9]*.json"))[-1].read_text()
    return sum(json.loads("{" + part.split(",")[0].split("}")[0] + "}")["failedTasks"]
               for part in ('"failedTasks"' + each for each in text.split('"failedTasks"')[1:]))


def test_a_map_is_fetched_by_its_path_with_its_query(shared_room):
    service = shared_room.serve()
    service.settle()
    assert urlopen(f"{service.address}/ping?service=WMS&bbox=1%2C2", timeout=5).read() == b"pong"
