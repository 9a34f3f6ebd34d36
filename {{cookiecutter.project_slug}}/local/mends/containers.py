"""ECS's containers: what a container definition says of them, where they listen, how they end."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import docker_engine as engine

from mends import around_function, mend

TASK, NAME = "com.amazonaws.ecs.task-arn", "com.amazonaws.ecs.container-name"
STOP_TIMEOUT = "local.stop-timeout"
USUAL_STOP = 10  # seconds from SIGTERM to SIGKILL; AWS's 30 would keep a person waiting at every roll-out

# A container definition's member and docker-py's name of it, where the value needs no change.
AS_IT_IS = {
    "entryPoint": "entrypoint",
    "user": "user",
    "workingDirectory": "working_dir",
    "hostname": "hostname",
    "readonlyRootFilesystem": "read_only",
    "pseudoTerminal": "tty",
    "interactive": "stdin_open",
    "dnsServers": "dns",
    "dnsSearchDomains": "dns_search",
    "dockerSecurityOptions": "security_opt",
}
MEBIBYTE, SECOND = 1 << 20, 10**9


@mend("ecs.container-fields", "entry point, user, limits and most of a container definition are ignored: what runs is not "
      "what Terraform rendered", containers=True)
def container_fields() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_build_run_kwargs")
    def whole(original, definition, task_definition, *arguments):
        wanted = original(definition, task_definition, *arguments)
        wanted |= {theirs: definition[ours] for ours, theirs in AS_IT_IS.items() if definition.get(ours)}
        wanted |= _limits(definition, task_definition) | _linux(definition.get("linuxParameters") or {})
        if definition.get("extraHosts"):
            hosts = {each["hostname"]: each["ipAddress"] for each in definition["extraHosts"]}
            wanted["extra_hosts"] = {**wanted.get("extra_hosts", {}), **hosts}
        if definition.get("healthCheck"):
            wanted["healthcheck"] = _health_check(definition["healthCheck"])
        wanted["labels"] |= definition.get("dockerLabels") or {}
        wanted["labels"][STOP_TIMEOUT] = str(definition.get("stopTimeout") or USUAL_STOP)
        return wanted


def _limits(definition: dict, task_definition: dict) -> dict[str, Any]:
    from docker.types import Ulimit

    limits: dict[str, Any] = {}
    memory = definition.get("memory") or task_definition.get("memory")
    if memory:
        limits["mem_limit"] = int(memory) * MEBIBYTE
    if definition.get("memoryReservation"):
        limits["mem_reservation"] = int(definition["memoryReservation"]) * MEBIBYTE
    if definition.get("cpu"):
        limits["cpu_shares"] = max(2, int(definition["cpu"]))
    if definition.get("ulimits"):
        limits["ulimits"] = [Ulimit(name=each["name"], soft=each["softLimit"], hard=each["hardLimit"])
                             for each in definition["ulimits"]]
    return limits


def _linux(parameters: dict) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if parameters.get("tmpfs"):
        wanted["tmpfs"] = {each["containerPath"]: ",".join([f"size={each['size']}m", *each.get("mountOptions", ())])
                           for each in parameters["tmpfs"]}
    if parameters.get("initProcessEnabled"):
        wanted["init"] = True
    if parameters.get("sharedMemorySize"):
        wanted["shm_size"] = f"{parameters['sharedMemorySize']}m"
    if (parameters.get("capabilities") or {}).get("drop"):
        wanted["cap_drop"] = parameters["capabilities"]["drop"]
    return wanted


def _health_check(check: dict) -> Any:
    from docker.types import Healthcheck

    return Healthcheck(test=check["command"], interval=check.get("interval", 30) * SECOND,
                       timeout=check.get("timeout", 5) * SECOND, retries=check.get("retries", 3),
                       start_period=check.get("startPeriod", 0) * SECOND)


@mend("ecs.published-ports", "a task's ports are open to the whole network, its networkBindings stay empty, and one on the "
      "host's network does not start", containers=True)
def published_ports() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_build_run_kwargs")
    def on_loopback(original, definition, task_definition, environment, ports, network, on_host, *arguments):
        published = {} if on_host else {port: ("127.0.0.1", number or None) for port, number in ports.items()}
        return original(definition, task_definition, environment, published, network, on_host, *arguments)

    @around_function(ecs, "_attach_started_container")
    def with_bindings(original, task, container, index, *arguments):
        attached = original(task, container, index, *arguments)
        if attached and task.get("_network_mode") != "awsvpc":
            container.reload()
            task["containers"][index]["networkBindings"] = [
                {"bindIP": bound[0]["HostIp"], "containerPort": int(port.split("/")[0]),
                 "hostPort": int(bound[0]["HostPort"]), "protocol": port.split("/")[1]}
                for port, bound in (container.attrs["NetworkSettings"]["Ports"] or {}).items() if bound]
        return attached


@mend("ecs.exit-codes", "a stopped task says exit code 0 whatever happened, and its time to end is fixed", containers=True)
def exit_codes() -> None:
    from docker.errors import DockerException
    from ministack.services import ecs

    @around_function(ecs, "_remove_docker_container")
    def stopped(original, client, container):
        if not client or container is None:
            return
        with contextlib.suppress(DockerException, OSError):
            container = client.containers.get(getattr(container, "id", container))
            patience = int(container.labels.get(STOP_TIMEOUT, USUAL_STOP))
            client.api.stop(container.id, timeout=patience)
            container.reload()
            _note_exit(container.labels.get(TASK), container.labels.get(NAME), container.attrs["State"]["ExitCode"])
            container.remove(v=True, force=True)


def _note_exit(task_arn: str | None, name: str | None, code: int) -> None:
    from ministack.services import ecs

    for _, task in ecs._tasks.all_items():
        if task["taskArn"] == task_arn:
            for each in task["containers"]:
                if each["name"] == name:
                    each["exitCode"] = code


@mend("ecs.failed-start", "a container that did not start stays behind", containers=True)
def failed_start() -> None:
    from docker.errors import DockerException
    from ministack.services import ecs

    @around_function(ecs, "_fail_task_start")
    def without_remains(original, task, client, reason):
        original(task, client, reason)
        with contextlib.suppress(DockerException, OSError):
            for each in engine.containers(**{TASK: task["taskArn"]}):
                each.remove(force=True, v=True)


@mend("ecs.watched-by-waiting", "each task costs ten questions a second to the engine", containers=True)
def watched_by_waiting() -> None:
    from docker.errors import DockerException, NotFound
    from ministack.core.responses import request_scope
    from ministack.services import ecs

    def watch(task: dict, container: str, account: str, region: str) -> None:
        """Wait until the container ends, and let MiniStack look at the task then."""
        with request_scope(account, region):
            while ecs._task_is_active(task["taskArn"], task):
                removed = False
                try:
                    engine.client(None).api.wait(container)
                except NotFound:
                    removed = True  # by somebody else, and its exit code with it
                except (DockerException, OSError):
                    pass  # the engine is away: not the task's fault
                time.sleep(0.2)
                ecs._maybe_mark_stopped(task, engine.client())
                if removed:
                    ecs._mark_task_stopped(task["taskArn"], task, "Essential container in task exited",
                                           "EssentialContainerExited", exit_code=137)

    @around_function(ecs, "_watch_task_lifecycle")
    def watched(original, task, client, account, region):
        for container in list(task["_docker_ids"]):
            threading.Thread(target=watch, args=(task, container, account, region), daemon=True).start()
        group, cluster = task.get("group", ""), ecs._cluster_name_from_arn(task["clusterArn"])
        if group.startswith("service:"):
            service = f"{cluster}/{group.removeprefix('service:')}"
            ecs._schedule_service_deployment_completion(cluster, service, account, region, healthy_task=task)
