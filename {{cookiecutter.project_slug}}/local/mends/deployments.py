"""ECS's service scheduler: a deployment ends when its tasks are healthy, and a task that is not healthy is replaced."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import docker_engine as engine

from mends import around, around_function, health, mend

log = logging.getLogger("local")

LOOK_EVERY = 1.0  # seconds between two looks at the services
PATIENT_STARTS = 3  # failures in a row after which the next start waits, longer each time
LONGEST_WAIT = 60  # seconds
DATABASES_FIRST = 60  # seconds that services wait at most for the databases of their account when the server starts

_failures: dict[str, tuple[int, float]] = {}  # service's ARN -> failures in a row, and when the next start may be


@mend("ecs.steady-when-healthy", "a deployment is complete when its container has run for a second, and a task that never "
      "answers is never replaced", containers=True)
def steady_when_healthy() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_make_deployment")
    def not_yet_complete(original, *arguments, **more):
        deployment = original(*arguments, **more)
        return {**deployment, "rolloutState": "IN_PROGRESS",
                "rolloutStateReason": f"ECS deployment {deployment['id']} in progress."}

    @around_function(ecs, "_complete_service_deployment")
    def when_healthy(original, cluster, key, expected_deployment_id=None):
        service = ecs._services.get(key)
        if not service or all(_health(service, task) == "healthy" for task in _tasks(service, primary=True)):
            original(cluster, key, expected_deployment_id)
            if service:
                _announce(service)

    @around_function(ecs, "_record_service_task_healthy")
    def really_healthy(original, key, task):
        service = ecs._services.get(key)
        if service and _health(service, task) == "healthy":
            original(key, task)

    # MiniStack starts what came back after a fixed pause; here it starts when the server listens and the databases run.
    ecs._start_restored_service_reconciler = lambda: None
    threading.Thread(target=_look_after_all, name="local-services", daemon=True).start()


@mend("ecs.back-off", "a service whose tasks fail starts new ones as fast as the engine can", containers=True)
def back_off() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_record_service_task_failure")
    def counted(original, task, digest_resolution_failed=False):
        service = _service_of(task)
        if service:
            count = _failures.get(service["serviceArn"], (0, 0))[0] + 1
            pause = 0 if count <= PATIENT_STARTS else min(LONGEST_WAIT, 2 ** (count - PATIENT_STARTS))
            _failures[service["serviceArn"]] = count, time.monotonic() + pause
        return original(task, digest_resolution_failed)

    @around_function(ecs, "_reconcile_service_tasks")
    def when_its_time_has_come(original, cluster, key):
        service = ecs._services.get(key)
        if service and service.get("desiredCount") and _failures.get(service["serviceArn"], (0, 0))[1] > time.monotonic():
            return None
        return original(cluster, key)

    @around(ecs, "UpdateService")
    def at_once(original, request):
        service = ecs._services.get(f"{ecs._resolve_cluster_name(request.get('cluster', 'default'))}/"
                                    f"{request.get('service', '').rsplit('/', 1)[-1]}")
        if service:
            _failures.pop(service["serviceArn"], None)  # what changed may be the cure
        return original(request)


def _look_after_all() -> None:
    """Look after every service of every account, for ever."""
    from ministack.core.responses import request_scope
    from ministack.services import ecs

    engine.ready.wait()
    _wait_for_databases()
    while not engine.closing.wait(LOOK_EVERY):
        for (account, region, key), service in ecs._services.all_items():
            if service.get("status") == "ACTIVE":
                try:
                    with request_scope(account, region):
                        _look_after(key, service)
                except Exception:
                    log.exception("looking after the service %s", key)


def _look_after(key: str, service: dict) -> None:
    from ministack.services import ecs

    tasks = list(_tasks(service))
    for task in tasks:
        state = _health(service, task)
        if state == "healthy":
            if not task.get("_startup_stable"):
                ecs._record_service_task_healthy(key, task)
        elif state == "unhealthy" and _age(task) > float(service.get("healthCheckGracePeriodSeconds") or 0):
            _replace(service, task)
    if len(tasks) >= service.get("desiredCount", 0) and all(_health(service, task) == "healthy" for task in tasks):
        _failures.pop(service["serviceArn"], None)
    cluster = key.split("/", 1)[0]
    ecs._reconcile_service_tasks(cluster, key)
    ecs._complete_service_deployment(cluster, key)


def _replace(service: dict, task: dict) -> None:
    """Stop a task whose target or container is unhealthy, say so, and count it against the deployment."""
    from ministack.services import ecs

    group, port, target = next(((group, port, target) for group, port, target in _checked(service, task)
                                if target.state == "unhealthy"), (None, None, None))
    if group:
        _say(service, f"(port {port}) is unhealthy in (target-group {group}) due to (reason {target.reason[1]}).")
        reason = f"Task failed ELB health checks in (target-group {group})"
    else:
        reason = "Task failed container health checks"
    if ecs._mark_task_stopped(task["taskArn"], task, reason, "ServiceSchedulerInitiated"):
        threading.Thread(target=ecs._cleanup_task_resources, args=(task, engine.client()), daemon=True).start()
        ecs._record_service_task_failure(task)


def _health(service: dict, task: dict) -> str:
    """`healthy`, `unhealthy` or `unknown`: the worst that its targets and its containers' own checks say."""
    states = [target.state for _, _, target in _checked(service, task)] + _container_checks(task)
    if "unhealthy" in states:
        return "unhealthy"
    return "healthy" if all(state == "healthy" for state in states) else "unknown"


def _checked(service: dict, task: dict) -> Iterator[tuple[str, int, health.Target]]:
    """The task's targets: group, port, what is known of it."""
    from ministack.services import alb, ecs

    for each in service.get("loadBalancers") or ():
        if each.get("targetGroupArn") in alb._tgs:
            port = int(each.get("containerPort") or 80)
            yield each["targetGroupArn"], port, health.of(each["targetGroupArn"], ecs._task_ip(task), port)


def _container_checks(task: dict) -> list[str]:
    """What the containers' own health checks say; empty for a task without one."""
    from ministack.services import ecs

    definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
    checked = [number for number, each in enumerate(definition.get("containerDefinitions", ())) if each.get("healthCheck")]
    states = []
    for number in checked:
        state = "starting"
        if number < len(task.get("_docker_ids") or ()):
            found = engine.client().api.inspect_container(task["_docker_ids"][number])["State"].get("Health") or {}
            state = found.get("Status", state)
        task["containers"][number]["healthStatus"] = state.upper() if state != "starting" else "UNKNOWN"
        states.append(state)
    if checked:
        worst = [each for each in ("unhealthy", "starting") if each in states]
        task["healthStatus"] = {"unhealthy": "UNHEALTHY", "starting": "UNKNOWN"}[worst[0]] if worst else "HEALTHY"
    return states


def _tasks(service: dict, primary: bool = False) -> Iterator[dict]:
    """The service's running tasks; only those of the deployment that is to replace the others."""
    from ministack.services import ecs

    newest = ecs._primary_deployment(service) or {}
    for task in list(ecs._tasks.values()):
        if (task.get("group") == f"service:{service['serviceName']}" and task.get("clusterArn") == service["clusterArn"]
                and task.get("lastStatus") == "RUNNING" and (not primary or task.get("_deployment_id") == newest.get("id"))):
            yield task


def _service_of(task: dict) -> dict | None:
    from ministack.services import ecs

    group, cluster = task.get("group", ""), ecs._cluster_name_from_arn(task.get("clusterArn", ""))
    return ecs._services.get(f"{cluster}/{group[8:]}") if group.startswith("service:") else None


def _age(task: dict) -> float:
    from ministack.services import ecs

    return time.time() - (ecs._ts_to_epoch(task.get("startedAt")) or time.time())


def _announce(service: dict) -> None:
    """Say once that a deployment is complete and the service steady."""
    from ministack.services import ecs

    done = ecs._primary_deployment(service) or {}
    if (done.get("rolloutState") == "COMPLETED" and service["runningCount"] == service["desiredCount"]
            and service.get("_announced") != [done["id"], done["updatedAt"]]):
        service["_announced"] = [done["id"], done["updatedAt"]]
        _say(service, f"(deployment {done['id']}) deployment completed.")
        _say(service, "has reached a steady state.")


def _say(service: dict, text: str) -> None:
    from ministack.services import ecs

    service["events"].insert(0, {"id": ecs.new_uuid(), "createdAt": ecs._iso(),
                                 "message": f"(service {service['serviceName']}) {text}"})


def _wait_for_databases() -> None:
    """Give the databases that came back a head start: a service that starts before its database fails once for nothing."""
    from ministack.services import rds

    deadline = time.monotonic() + DATABASES_FIRST
    while time.monotonic() < deadline and any(
            each.get("DBInstanceStatus") == "creating" for each in rds._instances._data.values()):
        if engine.closing.wait(0.2):
            return
