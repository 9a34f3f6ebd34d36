"""What became of each deployment of a service: kept, and shown as ECS's service deployments."""

from __future__ import annotations

from collections.abc import Iterator

from mends import around, around_function, mend

KEPT = 20  # deployments of a service that are remembered


@mend("ecs.failed-deployments-go", "after one roll-back a service has two deployments for ever and is never stable again",
      containers=True)
def failed_deployments_go() -> None:
    from ministack.services import ecs

    @around_function(ecs, "_complete_service_deployment")
    def without_failed(original, cluster, key, expected_deployment_id=None):
        original(cluster, key, expected_deployment_id)
        service = ecs._services.get(key)
        done = ecs._primary_deployment(service) if service else None
        if done and done.get("rolloutState") == "COMPLETED":
            _remember(service)
            service["deployments"] = [each for each in service["deployments"]
                                      if each is done or each.get("rolloutState") != "FAILED"]


@mend("ecs.service-deployments", "what became of a deployment cannot be asked: the answer is always empty")
def service_deployments() -> None:
    from ministack.core.responses import json_response
    from ministack.services import ecs

    @around(ecs, "UpdateService")
    def remembered(original, request):
        for service in ecs._services.values():
            _remember(service)
        return original(request)

    @around(ecs, "ListServiceDeployments")
    def listed(original, request):
        wanted = request.get("service", "").rsplit("/", 1)[-1]
        statuses = request.get("status") or []
        found = [each for each in _all() if each["serviceArn"].rsplit("/", 1)[-1] == wanted
                 and each["clusterArn"].rsplit("/", 1)[-1] == request.get("cluster", "default").rsplit("/", 1)[-1]
                 and (not statuses or each["status"] in statuses)]
        brief = ("serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status",
                 "statusReason")
        shown = [{name: each[name] for name in brief if name in each}
                 | {"targetServiceRevisionArn": each["targetServiceRevision"]["arn"]} for each in found]
        return json_response({"serviceDeployments": shown})

    @around(ecs, "DescribeServiceDeployments")
    def described(original, request):
        wanted = request.get("serviceDeploymentArns", [])
        found = [each for each in _all() if each["serviceDeploymentArn"] in wanted]
        missing = set(wanted) - {each["serviceDeploymentArn"] for each in found}
        return json_response({
            "serviceDeployments": ecs._sanitize(found),
            "failures": [{"arn": each, "reason": "MISSING"} for each in sorted(missing)]})

    @around(ecs, "DescribeServiceRevisions")
    def revisions(original, request):
        found = {each["targetServiceRevision"]["arn"]: each for each in _all()}
        return json_response({
            "serviceRevisions": [{"serviceRevisionArn": arn, "serviceArn": found[arn]["serviceArn"],
                                  "clusterArn": found[arn]["clusterArn"], "createdAt": found[arn]["createdAt"],
                                  "taskDefinition": found[arn]["_task_definition"]}
                                 for arn in request.get("serviceRevisionArns", []) if arn in found],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in request.get("serviceRevisionArns", [])
                         if arn not in found]})


def _all() -> Iterator[dict]:
    """Every service deployment of the account, each service's newest first."""
    from ministack.services import ecs

    for service in ecs._services.values():
        _remember(service)
        yield from reversed(service["_service_deployments"])


def _remember(service: dict) -> None:
    """Note how the service's deployments stand. One that is gone before it was complete was replaced by a newer one."""
    from ministack.services import ecs

    kept = {each["_id"]: each for each in service.get("_service_deployments", ())}
    now = {each["id"]: each for each in service.get("deployments", ())}
    for identifier, deployment in reversed(now.items()):
        before = kept.get(identifier)
        if before is None or before["status"] in ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            kept[identifier] = _record(service, deployment)
    for identifier, record in kept.items():
        if identifier not in now and record["status"] in ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            record |= {"status": "STOPPED", "statusReason": "Replaced by a newer deployment.", "finishedAt": ecs._ts()}
    service["_service_deployments"] = list(kept.values())[-KEPT:]  # the oldest first


def _record(service: dict, deployment: dict) -> dict:
    from ministack.services import ecs

    arn = service["serviceArn"].replace(":service/", ":{}/") + "/" + deployment["id"].rsplit("/", 1)[-1]
    status = _status(service, deployment)
    record = {
        "_id": deployment["id"],
        "_task_definition": deployment["taskDefinition"],
        "serviceDeploymentArn": arn.format("service-deployment"),
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": deployment["createdAt"],
        "startedAt": deployment["createdAt"],
        "updatedAt": deployment["updatedAt"],
        "status": status,
        "statusReason": deployment.get("rolloutStateReason") or "",
        "targetServiceRevision": {
            "arn": arn.format("service-revision"), "requestedTaskCount": deployment.get("desiredCount", 0),
            "runningTaskCount": deployment.get("runningCount", 0), "pendingTaskCount": deployment.get("pendingCount", 0)},
        "deploymentCircuitBreaker": {
            "status": "TRIGGERED" if deployment.get("rolloutState") == "FAILED" else "MONITORING",
            "failureCount": deployment.get("failedTasks", 0), "threshold": ecs._circuit_breaker_threshold(service)},
        "deploymentConfiguration": service.get("deploymentConfiguration", {}),
    }
    if not status.endswith("IN_PROGRESS"):
        record["finishedAt"] = ecs._ts_to_epoch(deployment["updatedAt"])
    return record


def _status(service: dict, deployment: dict) -> str:
    from ministack.services import ecs

    if deployment.get("rolloutState") != "FAILED":
        return "SUCCESSFUL" if deployment.get("rolloutState") == "COMPLETED" else "IN_PROGRESS"
    instead = ecs._primary_deployment(service)
    if instead is deployment or not instead:
        return "ROLLBACK_FAILED"  # there was nothing to go back to
    return "ROLLBACK_SUCCESSFUL" if instead.get("rolloutState") == "COMPLETED" else "ROLLBACK_IN_PROGRESS"
