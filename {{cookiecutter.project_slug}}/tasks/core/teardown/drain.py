"""What runs is brought to rest before Terraform deletes it, so that nothing has to be waited for that cannot end.

A service with tasks, a capacity provider that protects its machines, or a machine that a lifecycle hook holds can keep
a deletion waiting for up to two days. Each is let go here, with progress; what is gone already is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import containers, ecs_tasks, watch
from ..console import TookTooLong
from ..session import Session, error_code
from ..state_file import State

LIMIT = 20 * 60  # seconds; targets drain for two minutes, and a task may take as long again to stop
POLL = 3
GONE = ("ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException", "ValidationError")
HELD = ("Terminating:Wait", "Pending:Wait")

Say = Callable[[str], None]


def everything(session: Session, state: State, say: Say) -> None:
    """Services first: a machine is let go only when nothing runs on it any more."""
    services(session, state, say)
    capacity_providers(session, state, say)
    lifecycle_actions(session, state, say)


def services(session: Session, state: State, say: Say, limit: float = LIMIT, poll: float = POLL) -> None:
    """Bring every service to no task, all at once, and wait for it. Raises TookTooLong (6) with those that still run."""
    ecs = session.client("ecs")
    found = [(each.attributes["cluster"], each.attributes["name"]) for each in state.of_type("aws_ecs_service")]
    draining = [(cluster, name) for cluster, name in found
                if _unless_gone(ecs.update_service, cluster=cluster, service=name, desiredCount=0)]
    if not draining:
        return
    say(f"Bringing {', '.join(name for _, name in draining)} to no task…")
    deadline = time.monotonic() + limit
    with watch.shown() as (on_progress, _):
        while draining := [each for each in draining if _runs(session, *each, on_progress)]:
            if time.monotonic() > deadline:
                raise TookTooLong(f"Tasks of {', '.join(name for _, name in draining)} still run after {limit / 60:.0f} "
                                  "minutes.", run=session.settings.command("service.status"))
            time.sleep(poll)


def _runs(session: Session, cluster: str, name: str, on_progress: Callable[[containers.Service], None]) -> bool:
    service = _unless_gone(containers.describe, session, cluster, name)
    if service is None:
        return False
    on_progress(service)
    # by its status, too: the embedded AWS lists tasks that have stopped among those that are to run
    return bool(service.running) or any(not task.stopped for task in ecs_tasks.find(session, cluster, serviceName=name))


def capacity_providers(session: Session, state: State, say: Say) -> None:
    """Have ECS protect and drain no machine any more: they all go."""
    ecs = session.client("ecs")
    names = [each.attributes["name"] for each in state.of_type("aws_ecs_capacity_provider")]
    found = ecs.describe_capacity_providers(capacityProviders=names)["capacityProviders"] if names else []
    for each in found:
        group = each.get("autoScalingGroupProvider", {})
        if each["status"] != "ACTIVE" or "ENABLED" not in (group.get("managedTerminationProtection"),
                                                           group.get("managedDraining")):
            continue
        ecs.update_capacity_provider(name=each["name"], autoScalingGroupProvider={
            "managedTerminationProtection": "DISABLED", "managedDraining": "DISABLED"})
        say(f"The capacity provider {each['name']} protects no machine any more.")


def lifecycle_actions(session: Session, state: State, say: Say) -> None:
    """Let go of the machines that a lifecycle hook holds back."""
    autoscaling = session.client("autoscaling")
    for resource in state.of_type("aws_autoscaling_group"):
        name = resource.attributes["name"]
        groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        held = [each["InstanceId"] for group in groups for each in group["Instances"] if each["LifecycleState"] in HELD]
        if not held:
            continue
        hooks = autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
        for instance in held:
            for hook in hooks:  # which one holds it, the API does not say; the others answer that they do not
                _unless_gone(autoscaling.complete_lifecycle_action, LifecycleHookName=hook["LifecycleHookName"],
                             AutoScalingGroupName=name, InstanceId=instance, LifecycleActionResult="CONTINUE")
            say(f"The machine {instance} is held back no more.")


def task_definitions(session: Session, state: State, say: Say) -> None:
    """Deregister every revision that is still active: Terraform leaves them, for roll-backs that cannot come any more.

    Only when the services are gone: a service that stays could not start a task of a revision that is not active.
    """
    ecs, count = session.client("ecs"), 0
    for family in sorted({each.attributes["family"] for each in state.of_type("aws_ecs_task_definition")}):
        pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=family, status="ACTIVE")
        arns = [arn for page in pages for arn in page["taskDefinitionArns"]
                if arn.rpartition("/")[2].partition(":")[0] == family]
        for arn in arns:
            ecs.deregister_task_definition(taskDefinition=arn)
        count += len(arns)
    if count:
        say(f"Deregistered {count} revisions of task definitions." if count > 1 else "Deregistered a task definition.")


def _unless_gone(ask: Callable, *arguments, **named):
    """AWS's answer; None when it says that there is no such thing any more."""
    try:
        return ask(*arguments, **named)
    except Exception as error:
        if error_code(error) in GONE:
            return None
        raise
