"""What an apply had begun to make when it was stopped: kept in mind, found in the account again, and adopted.

Terraform saves what it was making as tainted, but when it is killed, when an answer gets lost, and for types whose id the
provider learns only after a wait, an object is left in the account that no state tells of. Some would then be made twice
without a word (VPC, gateway, security group …), for others every later apply fails on the name that is taken.

What is in flight depends only on what is complete. So once that is in the state, a plan knows every argument of it, and
it is looked up by those that tell it from others, and by every tag: the provider (5.100, every request of an apply looked
at) gives the tags in the call that makes the object, for every type that has tags. So nothing of ours is ever without
them, however early it was left. Routes, their associations, mount targets, schedules and the auto scaling group have none
of the project's tags; they are told by what they belong to. One object must fit, and not be in the state already; of two,
a person has to say which.

Every type of this stack has a finder but those whose second making does no harm, or that need none:

==================================  ==================================================================================
aws_default_security_group          is the VPC's own: "making" it takes its rules away, again
aws_ecs_cluster_capacity_providers  put: the second says what the first said
aws_efs_backup_policy               put, as above
aws_efs_file_system_policy          put, as above
aws_iam_role_policy                 put, as above
aws_iam_role_policy_attachment      attaching what is attached changes nothing
aws_kms_key                         adopted by imports.tf in every plan, never made by Terraform
aws_kms_alias                       adopted by imports.tf, as above
terraform_data                      nothing outside the state
==================================  ==================================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from ..console import Refused, TookTooLong
from ..session import Session
from ..state_file import Resource
from . import (
    containers,
    iam,
    load_balancer,
    logs_and_parameters,
    machines,
    network,
    security_groups,
    storage_and_database,
)
from .found import Finder, Found
from .replaced import NEW_ONE_FIRST, set_aside

__all__ = ["FINDERS", "NEW_ONE_FIRST", "Ambiguous", "find", "finish", "known_ids", "set_aside"]

PATIENCE = 45 * 60  # seconds; a large Multi-AZ database takes half of it
POLL = 5

FINDERS: dict[str, Finder] = {
    **network.FINDERS, **security_groups.FINDERS, **machines.FINDERS, **iam.FINDERS, **containers.FINDERS,
    **storage_and_database.FINDERS, **load_balancer.FINDERS, **logs_and_parameters.FINDERS,
}  # fmt: skip

# How a state's attributes say the id that `import` takes; all other types say it as ``id``.
IMPORT_IDS: dict[str, Callable[[dict], str]] = {
    "aws_db_instance": lambda known: known["identifier"],
    "aws_ecs_capacity_provider": lambda known: known["name"],
    "aws_ecs_cluster": lambda known: known["name"],
    "aws_ecs_service": lambda known: f"{known['cluster'].rpartition('/')[2]}/{known['name']}",
    "aws_ecs_task_definition": lambda known: known["arn"],
    "aws_route": lambda known: f"{known['route_table_id']}_{known['destination_cidr_block']}",
    "aws_route_table_association": lambda known: f"{known['subnet_id']}/{known['route_table_id']}",
}


class Ambiguous(Refused):
    """More than one object fits what was begun: which is the one, no argument and no tag says."""

    def __init__(self, type: str, ids: Collection[str]):
        self.type, self.ids = type, sorted(ids)
        super().__init__(f"{len(ids)} objects of type {type} fit what an interrupted apply was making: "
                         f"{', '.join(self.ids)}. No state tells of any of them. Delete those that nothing uses.")


def known_ids(resources: Iterable[Resource], type: str) -> set[str]:
    """What a state manages of a type, by the ids that ``import`` takes; replaced ones that wait for their end included."""
    import_id = IMPORT_IDS.get(type, lambda attributes: attributes["id"])
    return {import_id(resource.attributes) for resource in resources if resource.type == type}


def find(session: Session, type: str, arguments: dict, known: Collection[str] | None = None,
         say: Callable[[str], None] = lambda text: None) -> str | None:
    """The id under which a resource with these arguments can be imported; None when the account has none of ours.

    arguments  those that a plan would make it with (the ``after`` of its change; unknown ones are absent)
    known      the ids of this type that the state has already (`known_ids`)
    say        is told what is waited for: what AWS is still making is answered when it may be changed

    What only bears the name is somebody else's: it must carry every tag that the plan would give it, project and
    workspace among them. Raises Ambiguous (3) when more than one fits, TookTooLong (6).
    """
    started, said = time.monotonic(), None
    while True:
        fitting = _fitting(session, type, arguments, known or ())
        if len(fitting) > 1:
            raise Ambiguous(type, [found.id for found in fitting])
        if not fitting or not fitting[0].pending:
            return fitting[0].id if fitting else None
        found = fitting[0]
        if time.monotonic() - started > PATIENCE:
            raise TookTooLong(f"{found.id} ({type}) is still {found.pending} after {PATIENCE // 60} minutes.",
                              run=session.settings.command("deploy"))
        if found.pending != said:
            say(f"Waiting for {found.id}: {found.pending}…")
            said = found.pending
        time.sleep(POLL)


def _fitting(session: Session, type: str, arguments: dict, known: Collection[str]) -> list[Found]:
    finder = FINDERS[type]
    if any(arguments.get(name) in (None, "", []) for name in finder.needs):
        return []  # made from something that is not made yet: then it cannot be in the account either
    return [found for found in finder.candidates(session, arguments) if found.id not in known and _ours(found, arguments)]


def _ours(found: Found, arguments: dict) -> bool:
    if found.tags is None:
        return True
    wanted = arguments.get("tags_all") or {}
    return bool(wanted) and wanted.items() <= found.tags.items()


def finish(session: Session, type: str, id: str) -> list[str]:
    """Do for an object that is about to be adopted what no plan would show to be missing; answers, as sentences, what was
    done. Before the apply: AWS refuses a rule of ours that lets out what the group's first one does."""
    if type != "aws_security_group":
        return []
    return [f"{id}: the rule {rule} that let everything out is taken away; AWS gives it to every new group."
            for rule in security_groups.close(session, id)]
