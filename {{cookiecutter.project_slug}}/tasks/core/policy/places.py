"""Which resources an action is narrowed to: those whose names are known before they are made.

Where AWS knows no narrower resource, or gives the name itself (VPCs, security groups, file systems), any resource is
allowed, and the statement's Sid says which of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ..session import Session
from ..settings import Settings


@dataclass(frozen=True)
class Place:
    """One statement's resources.

    sid        the statement's name, which says what they are
    actions    patterns of the actions that belong here
    resources  ARNs; names in braces are filled in by ``names``, and one that holds a list is repeated
    condition  narrows it where resources cannot
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: dict[str, Any] = field(default_factory=dict)


ECS, ELB, RDS = ("arn:{partition}:" + service + ":{region}:{account}:" for service in ("ecs", "elasticloadbalancing", "rds"))

# The first that fits holds, and what fits none lands in the last one: better too wide, and said, than a deployment that
# stops in the middle.
PLACES = {
    "lock": Place("StateLock", ("s3:DeleteObject",), ("arn:{partition}:s3:::{bucket}/env:/{workspace}/*.tflock",)),
    "record": Place("RecordOfTheDatabase", (), ("arn:{partition}:s3:::{bucket}/env:/{workspace}/*database.json",)),
    "every_state": Place("EveryState", (), ("arn:{partition}:s3:::{bucket}/*",)),
    "every_bucket": Place("TagsOfBuckets", (), ("arn:{partition}:s3:::*",)),
    "locations": Place("WhereTheDatabaseIs", (), ("{locations}", "{public_parameters}")),
    "secrets": Place("Secrets", ("ssm:*Parameter", "ssm:GetParameters*", "ssm:GetParameterHistory", "ssm:*TagsFromResource",
                                 "ssm:*TagsToResource", "ssm:ListTagsForResource"),
                     ("{parameters}", "{public_parameters}")),
    "secrets_key": Place("SecretsThroughTheKey", (), ("{key}",)),
    "any_key": Place("KeysOfDisksAndDatabase", (), ("arn:{partition}:kms:{region}:{account}:key/*",)),
    "alias": Place("KeyAlias", ("kms:*Alias",), ("{key}", "arn:{partition}:kms:{region}:{account}:{alias}")),
    "key": Place("Key", ("kms:CancelKeyDeletion", "kms:DescribeKey", "kms:EnableKey*", "kms:GetKey*", "kms:ListGrants",
                         "kms:ListResourceTags"), ("{key}",)),
    "state": Place("State", ("s3:*Object", "s3:*ObjectVersion", "s3:*ObjectTagging"),
                   ("arn:{partition}:s3:::{bucket}/env:/{workspace}/*",)),
    "bucket": Place("StateBucket", ("s3:*Bucket", "s3:*Bucket[!s]*", "s3:*Configuration"),
                    ("arn:{partition}:s3:::{bucket}",)),
    "askers": Place("RolesThatAsk", ("iam:SimulatePrincipalPolicy",), ("arn:{partition}:iam::{account}:role/*",)),
    "pass_role": Place("PassItsRoles", ("iam:PassRole",), ("{roles}",)),
    "linked_roles": Place("MakeServiceRoles", ("iam:CreateServiceLinkedRole",),
                          ("arn:{partition}:iam::{account}:role/aws-service-role/*",)),
    "roles": Place("Roles", ("iam:*Role", "iam:*RolePolicy", "iam:*RolePolicies", "iam:*RoleTags", "iam:*InstanceProfile*",
                             "iam:UpdateAssumeRolePolicy"),
                   ("{roles}", "{profiles}", "arn:{partition}:iam::{account}:role/aws-service-role/*")),
    "logs": Place("Logs", ("logs:*LogGroup", "logs:*LogEvents", "logs:*LogStreams", "logs:*RetentionPolicy",
                           "logs:*TagResource", "logs:UntagResource", "logs:ListTagsForResource"), ("{log_groups}",)),
    "registry": Place("Repository", ("ecr:[!G]*", "ecr:GetDownload*", "ecr:GetLifecycle*", "ecr:GetRepository*"),
                      ("arn:{partition}:ecr:{region}:{account}:repository/{slug}",)),
    "ecs": Place("Ecs", ("ecs:*Service", "ecs:DescribeServices", "ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks",
                         "ecs:ExecuteCommand", "ecs:*ServiceDeployments", "ecs:*ServiceRevisions", "ecs:*agResource",
                         "ecs:ListTagsForResource", "ecs:*ClusterCapacityProviders", "ecs:[DU]*CapacityProvider",
                         "ecs:DeleteCluster", "ecs:UpdateCluster*"),
                 (f"{ECS}cluster/{{name}}", f"{ECS}*/{{name}}/*", f"{ECS}task-definition/{{name}}-*",
                  f"{ECS}capacity-provider/cp-{{name}}")),
    "scaling": Place("ScalingGroup", ("autoscaling:[!D]*", "autoscaling:De[!s]*", "autoscaling:Di*"),
                     ("arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}",)),
    "database": Place("Database", ("rds:[!D]*", "rds:Delete*"),
                      (f"{RDS}*:{{database}}*", f"{RDS}og:default*", f"{RDS}pg:default*")),
    "balancer": Place("LoadBalancers", ("elasticloadbalancing:[!D]*", "elasticloadbalancing:De[!s]*"),
                      (f"{ELB}*/app/{{short}}*", f"{ELB}targetgroup/{{short}}*")),
    "schedules": Place("Schedules", ("scheduler:*Schedule",),
                       ("arn:{partition}:scheduler:{region}:{account}:schedule/default/{name}-*",)),
    "unnamed": Place("NamedByAwsWhenTheyAreMade", ("ec2:[!D]*", "ec2:De[!s]*", "elasticfilesystem:[!D]*",
                                                   "elasticfilesystem:De[!s]*")),
    "any": Place("AwsKnowsNoNarrower", ("*",)),
}

# Where a role that only looks is narrowed further: it reads no secret, and of the state it writes nothing but the lock.
LOOKING = {"ssm:GetParameter": "locations", "ssm:GetParameters": "locations", "s3:PutObject": "lock"}


def of_action(action: str, only_looks: bool) -> str:
    """The name of the place in which an action belongs."""
    if only_looks and action in LOOKING:
        return LOOKING[action]
    return next(name for name, place in PLACES.items() if any(fnmatchcase(action, each) for each in place.actions))


def names(session: Session, key_arn: str | None) -> dict[str, str | list[str]]:
    """What stands in the braces, for one workspace. key_arn: None while chamber's key is not there or not to be seen."""
    settings, partition = session.settings, session.partition
    at = f"{settings.region}:{settings.account}"
    parameter = f"arn:{partition}:ssm:{at}:parameter"
    services = sorted({*settings.serving_services.values(), settings.admin_service})
    prefixes = shortened(settings.name)
    return {
        "partition": partition,
        "region": settings.region,
        "account": settings.account,
        "workspace": settings.workspace,
        "name": settings.name,
        "short": settings.name[:24],  # of the 32 that a load balancer's name may have
        "slug": settings.project.slug,
        "bucket": settings.state_bucket,
        "database": settings.database,
        "alias": settings.key_alias,
        "key": key_arn or f"arn:{partition}:kms:{at}:key/*",
        "roles": [f"arn:{partition}:iam::{settings.account}:role/{prefix}*" for prefix in prefixes],
        "profiles": [f"arn:{partition}:iam::{settings.account}:instance-profile/{prefix}*" for prefix in prefixes],
        "parameters": [each for service in services for each in (f"{parameter}/{service}", f"{parameter}/{service}/*")],
        "locations": [f"{parameter}/{service}/{key}" for service in services for key in LOCATION],
        "public_parameters": [f"arn:{partition}:ssm:{settings.region}:*:parameter/aws/service/*",
                              f"{parameter}/_chamber/store-config"],
        "log_groups": [f"arn:{partition}:logs:{at}:log-group:{prefix}*" for prefix in _log_prefixes(settings)],
    }


def shortened(name: str) -> list[str]:
    """How IAM names begin that are made of a name: those over AWS's 64 characters keep its first 24."""
    return [f"{name}-", f"{name[:24]}-"] if len(name) > 24 else [f"{name}-"]


# What Terraform writes beside the secrets and reads at every plan, as modules/database_layer/parameters.tf has it.
LOCATION = ("db_database", "db_hostname", "db_port", "db_username")


def _log_prefixes(settings: Settings) -> list[str]:
    """Of a host's six groups, of the containers' and the database's, as locals.tf and services.tf have it."""
    own = f"/{settings.name}"
    exported = f"/aws/rds/instance/{settings.database}/"  # RDS names these
    prefix = settings.variables.get("cloudwatch_prefix")
    if prefix is None:
        return [f"{own}/", exported]
    return sorted({f"{prefix}/var/log/", f"{prefix or own}/apps/", exported})
