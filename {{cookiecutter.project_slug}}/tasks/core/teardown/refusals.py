"""Everything that stops a destroy before its first delete, each with what lifts it. All are found before one is told.

What counts is the account as it is now: an object that is gone already, or a protection that somebody has lifted by hand,
stops nothing. The state counts for what only the provider knows, and where AWS may not be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from .. import ecs_tasks, jobs, recovery, unfinished
from .. import policy as policies
from ..console import Refused
from ..session import Session, error_code
from ..state_file import Resource, State, without_keys

PROTECTED = "deletion_protection.enabled"
NOT_ALLOWED = ("AccessDenied", "AccessDeniedException")
EMPTY_FILE_SYSTEM = 6 * 1024  # bytes; what AWS meters of one that holds nothing. https://docs.aws.amazon.com/efs/latest/ug/metered-sizes.html

# the project's own resources -> the variable of the workspace's file that sets an argument
VARIABLES = {
    ("module.database_layer.aws_db_instance.rds", "deletion_protection"): "db_deletion_protection",
    ("module.database_layer.aws_db_instance.rds", "skip_final_snapshot"): "db_skip_final_snapshot",
    ("module.load_balancer.aws_lb.alb", "enable_deletion_protection"): "alb_deletion_protection",
}


@dataclass(frozen=True)
class Refusal:
    """One thing that stops a destroy.

    what    an address of the state, or what else it is about
    reason  a sentence
    lift    what lifts it
    loss    it stands for data that would be lost: ``--allow-loss`` with the address lifts it, too
    """

    what: str
    reason: str
    lift: str
    loss: bool = False


def find(session: Session, state: State, allow_loss: Collection[str] = (), snapshot: bool = True) -> list[Refusal]:
    """What stops a destroy of this state, in the state's order; without the losses that were allowed by address."""
    found = [refusal for resource in state.resources if resource.type in CHECKS
             for refusal in CHECKS[resource.type](session, resource)]
    if not snapshot and not session.settings.is_local:
        found += [_no_snapshot(resource) for resource in state.of_type("aws_db_instance") if _instance(session, resource)]
    found += [*_unfinished(session, state), *_running_jobs(session, state)]
    return [each for each in found if not (each.loss and each.what in allow_loss)]


def permissions(session: Session) -> list[Refusal]:
    """What IAM would refuse of a destroy, as one; none where it does not say."""
    lacking = policies.missing(session, "destroy")
    if not lacking:
        return []
    needed = session.settings.command("doctor", "--policy destroy")
    return [Refusal("permissions", f"These credentials may not do {', '.join(lacking)}.",
                    f"Use others; what a destroy needs: {needed}. Or, if IAM is mistaken: --no-permission-check")]


def raise_all(refusals: list[Refusal], run: str) -> None:
    """Raise one Refused (3) that tells of them all; nothing when there are none."""
    if refusals:
        count = "One thing stops" if len(refusals) == 1 else f"{len(refusals)} things stop"
        listed = "".join(f"\n- {each.what}: {each.reason}\n  {each.lift}" for each in refusals)
        raise Refused(f"Nothing was destroyed. {count} it:{listed}", run=run)


def _database(session: Session, resource: Resource) -> Iterator[Refusal]:
    attributes, settings = resource.attributes, session.settings
    live = _or_else({"DeletionProtection": attributes.get("deletion_protection"), "DBInstanceStatus": ""},
                    _instance, session, resource)
    if live is None:
        return
    if live.get("DeletionProtection"):
        yield Refusal(resource.address, "AWS is told to refuse its deletion.",
                      _flip(session, resource, "deletion_protection", "false"))
    if settings.is_local:
        return
    if live["DBInstanceStatus"] in ("stopping", "stopped"):
        yield Refusal(resource.address, "It is stopped, and AWS takes a snapshot only of a database that runs.",
                      f"Start it: aws rds start-db-instance --db-instance-identifier {attributes['identifier']}")
    if attributes.get("skip_final_snapshot") or not attributes.get("final_snapshot_identifier"):
        yield Refusal(resource.address, "It would go without a final snapshot.",
                      f"{_flip(session, resource, 'skip_final_snapshot', 'false')}{_or_lose(resource)}", loss=True)
    elif _snapshot_exists(session, attributes["final_snapshot_identifier"]):
        yield Refusal(resource.address, f"Its final snapshot would be called {attributes['final_snapshot_identifier']}, and "
                      "there is one of that name already: AWS would refuse the deletion.",
                      "Copy that snapshot to another name (aws rds copy-db-snapshot), then delete it (aws rds "
                      f"delete-db-snapshot --db-snapshot-identifier {attributes['final_snapshot_identifier']}).")


def _no_snapshot(resource: Resource) -> Refusal:
    return Refusal(resource.address, "--no-snapshot would let it go without the snapshot that is taken first.",
                   f"Leave --no-snapshot away.{_or_lose(resource)}", loss=True)


def _load_balancer(session: Session, resource: Resource) -> Iterator[Refusal]:
    arn = resource.attributes["arn"]
    told = str(bool(resource.attributes.get("enable_deletion_protection"))).lower()
    answer = _or_else({"Attributes": [{"Key": PROTECTED, "Value": told}]}, _unless, "LoadBalancerNotFound",
                      session.client("elbv2").describe_load_balancer_attributes, LoadBalancerArn=arn)
    if answer and {"Key": PROTECTED, "Value": "true"} in answer["Attributes"]:
        yield Refusal(resource.address, "AWS is told to refuse its deletion.",
                      _flip(session, resource, "enable_deletion_protection", "false"))


def _file_system(session: Session, resource: Resource) -> Iterator[Refusal]:
    answer = _unless("FileSystemNotFound", session.client("efs").describe_file_systems,
                     FileSystemId=resource.attributes["id"])
    if answer is None:
        return
    [live] = answer["FileSystems"]
    size = live["SizeInBytes"]["Value"]
    if size <= EMPTY_FILE_SYSTEM or recovery_point(session, live["FileSystemArn"]):
        return
    yield Refusal(resource.address, f"It holds {_size(size)}, and AWS Backup has no recovery point of it.",
                  "Wait for its daily backup, or make one now (AWS Backup, Create on-demand backup, "
                  f"{live['FileSystemId']}).{_or_lose(resource)}", loss=True)


def _bucket(session: Session, resource: Resource) -> Iterator[Refusal]:
    if resource.attributes.get("force_destroy"):
        return
    name = resource.attributes["bucket"]
    answer = _unless("NoSuchBucket", session.client("s3").list_object_versions, Bucket=name, MaxKeys=1)
    if answer and (answer.get("Versions") or answer.get("DeleteMarkers")):
        yield Refusal(resource.address, f"The bucket {name} is not empty, old versions counted.",
                      f"Empty it. Or {_flip(session, resource, 'force_destroy', 'true')}")


def _repository(session: Session, resource: Resource) -> Iterator[Refusal]:
    if resource.attributes.get("force_delete"):
        return
    name = resource.attributes["name"]
    answer = _unless("RepositoryNotFoundException", session.client("ecr").list_images, repositoryName=name, maxResults=1)
    if answer and answer["imageIds"]:
        yield Refusal(resource.address, f"The repository {name} holds images.",
                      f"Delete them. Or {_flip(session, resource, 'force_delete', 'true')}")


def _unfinished(session: Session, state: State) -> Iterator[Refusal]:
    """What an interrupted run had begun to make: no plan deletes what no state knows."""
    for address in unfinished.everywhere(session):
        if address not in state.addresses and without_keys(address).split(".")[-2] in recovery.FINDERS:
            yield Refusal(address, "An interrupted run had begun to make it. No state knows it, so it would be left.",
                          f"{session.settings.command('recover')}. Or leave it there: --allow-loss '{address}'", loss=True)


def _running_jobs(session: Session, state: State) -> Iterator[Refusal]:
    """Tasks that no service runs: what the jobs, the clock or a person started, be it of a service's own family."""
    for cluster in state.of_type("aws_ecs_cluster"):
        found = _unless("ClusterNotFoundException", ecs_tasks.find, session, cluster.attributes["name"])
        for task in (each for each in found or () if not (each.stopped or each.of_a_service)):
            family = _family(task.definition)
            job = _job(family, task)
            stop = (session.settings.command("service.run", job, "--stop") if job
                    else f"aws ecs stop-task --cluster {cluster.attributes['name']} --task {task.id}")
            yield Refusal(f"job {job}" if job else f"task of {family}", f"It runs (task {task.id}).",
                          f"Wait for its end, or: {stop}")


def _job(family: str, task: ecs_tasks.Task) -> str:
    """What `service.run` calls the task; empty when that does not know it: a task that somebody started by hand."""
    name = family.rpartition("-job-")[2] if "-job-" in family else ""
    if name == jobs.ADMIN:
        name = task.command[-1] if task.command else ""
        return name if name in jobs.OWN else ""
    return name


CHECKS: dict[str, Callable[[Session, Resource], Iterator[Refusal]]] = {
    "aws_db_instance": _database,
    "aws_lb": _load_balancer,
    "aws_efs_file_system": _file_system,
    "aws_s3_bucket": _bucket,
    "aws_ecr_repository": _repository,
}


def _instance(session: Session, resource: Resource) -> dict | None:
    """The database as it is now; None when it is gone or on its way."""
    answer = _unless("DBInstanceNotFound", session.client("rds").describe_db_instances,
                     DBInstanceIdentifier=resource.attributes["identifier"])
    live = answer["DBInstances"][0] if answer else None
    return None if live is None or live["DBInstanceStatus"] == "deleting" else live


def _snapshot_exists(session: Session, name: str) -> bool:
    answer = _unless("DBSnapshotNotFound", session.client("rds").describe_db_snapshots, DBSnapshotIdentifier=name)
    return answer is not None


def recovery_point(session: Session, arn: str) -> datetime | None:
    """When the newest whole recovery point of a resource was begun, UTC; None without one."""
    pages = session.client("backup").get_paginator("list_recovery_points_by_resource").paginate(ResourceArn=arn)
    found = [point["CreationDate"] for page in pages for point in page["RecoveryPoints"] if point["Status"] == "COMPLETED"]
    return max(found).astimezone(timezone.utc) if found else None


def _flip(session: Session, resource: Resource, argument: str, value: str) -> str:
    """How an argument is changed so that it stays so. What only the provider knows counts once it is applied."""
    settings = session.settings
    variable = VARIABLES.get((resource.configured_as, argument))
    where = (f"Set {variable} = {value} in workspaces/{settings.tfvars.name}" if variable
             else f"Set {argument} = {value} where {resource.address} is declared")
    return f"{where} and apply it: {settings.command('deploy')}"


def _or_lose(resource: Resource) -> str:
    return f" Or give it up by name: --allow-loss '{resource.address}'"


def _family(task_definition: str) -> str:
    return task_definition.rpartition("/")[2].partition(":")[0]


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}"


def _unless(absent: str, ask: Callable, *arguments, **named):
    """AWS's answer; None when it says that there is no such thing."""
    try:
        return ask(*arguments, **named)
    except Exception as error:
        if error_code(error) == absent:
            return None
        raise


def _or_else(told: dict, ask: Callable, *arguments, **named) -> dict | None:
    """AWS's answer; what the state tells instead when these credentials may not ask."""
    try:
        return ask(*arguments, **named)
    except Exception as error:
        if error_code(error) in NOT_ALLOWED:
            return told
        raise
