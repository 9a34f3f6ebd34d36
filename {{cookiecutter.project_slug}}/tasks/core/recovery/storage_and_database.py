"""The file system with what belongs to it, and the database with its groups."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, items, made_from, tags, unless

LIVING = ("creating", "available", "updating", "error")
BEING_MADE = ("creating", "backing-up", "modifying", "rebooting")  # a database; and "configuring-…"


def _file_systems(session: Session, arguments: dict) -> Iterator[Found]:
    for system in items(session.client("efs"), "describe_file_systems", "FileSystems[]",
                        CreationToken=arguments["creation_token"]):
        if system["CreationToken"] == arguments["creation_token"] and system["LifeCycleState"] in LIVING:
            yield Found(system["FileSystemId"], tags(system.get("Tags")), _while_creating(system))


def _access_points(session: Session, arguments: dict) -> Iterator[Found]:
    for point in items(session.client("efs"), "describe_access_points", "AccessPoints[]",
                       FileSystemId=arguments["file_system_id"]):
        same = (_user(point.get("PosixUser"), "Uid", "Gid") == _user(_only(arguments.get("posix_user")), "uid", "gid")
                and (point.get("RootDirectory") or {}).get("Path") == _only(arguments.get("root_directory")).get("path"))
        if same and point["FileSystemId"] == arguments["file_system_id"] and point["LifeCycleState"] in LIVING:
            yield Found(point["AccessPointId"], tags(point.get("Tags")), _while_creating(point))


def _user(block: dict | None, uid: str, gid: str) -> tuple:
    return (block or {}).get(uid), (block or {}).get(gid)


def _only(blocks: list[dict] | None) -> dict:
    return blocks[0] if blocks else {}


def _mount_targets(session: Session, arguments: dict) -> Iterator[Found]:
    """They have no tags, and a file system has one of them in a subnet."""
    for target in items(session.client("efs"), "describe_mount_targets", "MountTargets[]",
                        FileSystemId=arguments["file_system_id"]):
        if target["SubnetId"] == arguments["subnet_id"] and target["LifeCycleState"] in LIVING:
            yield Found(target["MountTargetId"], pending=_while_creating(target))


def _while_creating(found: dict) -> str:
    return found["LifeCycleState"] if found["LifeCycleState"] == "creating" else ""


def _databases(session: Session, arguments: dict) -> Iterator[Found]:
    rds = session.client("rds")
    answer = unless("DBInstanceNotFound", lambda: rds.describe_db_instances(DBInstanceIdentifier=arguments["identifier"]))
    for database in (answer or {}).get("DBInstances", ()):
        status = database["DBInstanceStatus"]
        if status != "deleting":
            being_made = status in BEING_MADE or status.startswith("configuring-")
            yield Found(database["DBInstanceIdentifier"], tags(database.get("TagList")), status if being_made else "")


def _subnet_groups(session: Session, arguments: dict) -> Iterator[Found]:
    rds = session.client("rds")
    answer = unless("DBSubnetGroupNotFoundFault", lambda: rds.describe_db_subnet_groups(DBSubnetGroupName=arguments["name"]))
    for group in (answer or {}).get("DBSubnetGroups", ()):
        yield Found(group["DBSubnetGroupName"], _rds_tags(rds, group["DBSubnetGroupArn"]))


def _parameter_groups(session: Session, arguments: dict) -> Iterator[Found]:
    rds = session.client("rds")
    for group in items(rds, "describe_db_parameter_groups", "DBParameterGroups[]"):
        name = group["DBParameterGroupName"]
        if group["DBParameterGroupFamily"] == arguments["family"] and made_from(name, arguments["name_prefix"]):
            yield Found(name, _rds_tags(rds, group["DBParameterGroupArn"]))


def _rds_tags(rds, arn: str) -> dict[str, str]:
    return tags(rds.list_tags_for_resource(ResourceName=arn)["TagList"])


FINDERS: dict[str, Finder] = {
    "aws_efs_file_system": by(_file_systems, "creation_token"),
    "aws_efs_access_point": by(_access_points, "file_system_id"),
    "aws_efs_mount_target": by(_mount_targets, "file_system_id", "subnet_id"),
    "aws_db_instance": by(_databases, "identifier"),
    "aws_db_subnet_group": by(_subnet_groups, "name"),
    "aws_db_parameter_group": by(_parameter_groups, "name_prefix", "family"),
}
