"""Log groups and states: which the configuration wants, which are there, whose they are, and which are only ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import neighbours
from .neighbours import Neighbour, Neighbourhood
from .session import Session, error_code
from .settings import Settings
from .state_file import Resource, State

TYPE = "aws_cloudwatch_log_group"
HOST = {  # the resource's name in modules/ec2_instances -> the file on the instance
    "dmesg": "/var/log/dmesg",
    "docker": "/var/log/docker",
    "ecs-agent": "/var/log/ecs/ecs-agent.log",
    "ecs-init": "/var/log/ecs/ecs-init.log",
    "audit": "/var/log/ecs/audit.log",
    "messages": "/var/log/messages",
}


@dataclass(frozen=True)
class LogGroup:
    """A log group that the configuration wants.

    held     the name under which this project's state holds the address; None when it does not
    exists   whether the account has it
    owner    whose tags it bears, as <project>-<workspace>; empty without them
    holders  the other states that manage it
    """

    address: str
    name: str
    exists: bool
    held: str | None = None
    owner: str = ""
    holders: tuple[Neighbour, ...] = ()

    @property
    def managed(self) -> bool:
        return self.held == self.name

    @property
    def in_the_way(self) -> bool:
        """Whether the state holds another group at this address: the prefix has changed since."""
        return self.held is not None and not self.managed

    @property
    def adoptable(self) -> bool:
        return self.exists and self.held is None


def wanted(settings: Settings) -> dict[str, str]:
    """address -> name of every log group that the configuration has, as imports.tf has it."""
    said = settings.variables.get("cloudwatch_prefix")
    prefix = f"/{settings.name}" if said is None else said
    apps = f"{own_prefix(settings)}/apps"
    services = settings.variables.get("services") or {}
    exports = settings.variables.get("db_log_exports") or ()
    return {
        **{f"module.ec2_instances.{TYPE}.{log}": f"{prefix}{file}" for log, file in HOST.items()},
        **{f'module.ecs["{service}"].{TYPE}.service': f"{apps}/{service}" for service in sorted(services)},
        f"module.jobs.{TYPE}.jobs": f"{apps}/jobs",
        **{f'module.database_layer.{TYPE}.exports["{export}"]': f"{_database_prefix(settings)}/{export}"
           for export in sorted(exports)},
    }


def own_prefix(settings: Settings) -> str:
    """What comes before the names of the containers' groups; never empty, so it is at least meant to be the project's."""
    return settings.variables.get("cloudwatch_prefix") or f"/{settings.name}"


def survey(session: Session, state: State, around: Neighbourhood) -> list[LogGroup]:
    """Each group that the configuration wants, as it is now."""
    held = {resource.address: resource.attributes.get("name") for resource in state.of_type(TYPE)}
    there, found = _there(session), []
    for address, name in wanted(session.settings).items():
        arn = there.get(name)
        found.append(LogGroup(address, name, arn is not None, held.get(address), _owner(session, arn) if arn else "",
                              tuple(around.holders(TYPE, name))))
    return found


def ours_alone(session: Session, resources: Iterable[Resource], around: Neighbourhood | None = None) -> list[Resource]:
    """Those of a state's log groups that nobody else can want: they bear our tags and a name of ours, no other state
    holds them, and there is no state that could not be read."""
    settings, resources = session.settings, list(resources)
    around = around or neighbours.look(session)
    if around.unread or not resources:
        return []
    there = _there(session)
    ours = (f"{own_prefix(settings)}/", f"{_database_prefix(settings)}/")

    def alone(resource: Resource) -> bool:
        name = resource.attributes.get("name") or ""
        return (name.startswith(ours) and name in there and not around.holders(TYPE, name)
                and _owner(session, there[name]) == settings.id)

    return [resource for resource in resources if alone(resource)]


def _database_prefix(settings: Settings) -> str:
    return f"/aws/rds/instance/{settings.database}"


def _there(session: Session) -> dict[str, str]:
    """name -> ARN of the account's log groups, as far as their names begin like those that are wanted."""
    pages = session.client("logs").get_paginator("describe_log_groups")
    prefixes = sorted({name.rpartition("/")[0] + "/" for name in wanted(session.settings).values()})
    narrow = [prefix for prefix in prefixes if not any(prefix != other and prefix.startswith(other) for other in prefixes)]
    return {group["logGroupName"]: group["arn"].removesuffix(":*") for prefix in narrow
            for page in pages.paginate(logGroupNamePrefix=prefix) for group in page["logGroups"]}


def _owner(session: Session, arn: str) -> str:
    """Whose tags a group bears, as <project>-<workspace>; empty without them, or when it went meanwhile."""
    try:
        tags = session.client("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return ""
    return f"{tags['Project']}-{tags['Workspace']}" if {"Project", "Workspace"} <= tags.keys() else ""
