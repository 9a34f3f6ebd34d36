"""What AWS asks for without any call that shows it, kept by hand; and what no role may ever do.

The embedded AWS asks for none of the implied: each comes from AWS's documentation, whose address stands beside it, or
from a part of the tasks that a record does not reach.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference"
ON_CREATION = "tags that are given with a new resource are asked for as an action of their own"


@dataclass(frozen=True)
class Implied:
    """Actions that a role needs although nobody calls them.

    condition  narrows them further; ``{region}`` and the like are filled in
    place      the entry of ``places.PLACES`` that they are for, where it is not the action's usual one
    """

    actions: tuple[str, ...]
    roles: tuple[str, ...]
    because: str
    source: str
    condition: dict[str, Any] = field(default_factory=dict)
    place: str = ""


IMPLIED = (
    Implied(("iam:PassRole",), ("deploy",),
            "task definitions, schedules and instances are given their roles",
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
            {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "ec2.amazonaws.com",
                                                      "scheduler.amazonaws.com"]}}),
    Implied(("iam:CreateServiceLinkedRole",), ("deploy",),
            "the first cluster, load balancer, scaling group or database of an account makes its service's role",
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html",
            {"StringEquals": {"iam:AWSServiceName": [
                "autoscaling.amazonaws.com", "ecs.amazonaws.com", "elasticfilesystem.amazonaws.com",
                "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com"]}}),
    Implied(("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"), ("deploy",),
            "SSM encrypts and decrypts secrets in the caller's name",
            "https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html",
            {"StringEquals": {"kms:ViaService": "ssm.{region}.amazonaws.com"}}, "secrets_key"),
    Implied(("ssm:GetParametersByPath",), ("destroy",),
            "--export-secrets writes a copy of the workspace's secrets before anything is deleted",
            "tasks/core/teardown/exports.py"),
    Implied(("kms:Decrypt",), ("destroy",),
            "SSM decrypts secrets in the caller's name",
            "https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html",
            {"StringEquals": {"kms:ViaService": "ssm.{region}.amazonaws.com"}}, "secrets_key"),
    Implied(("kms:CancelKeyDeletion", "kms:EnableKey"), ("deploy",),
            "kms.rescue, which deploy names where the key is to be deleted or is disabled: it only ever brings it back",
            "https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html, "
            "https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html"),
    Implied(("iam:SimulatePrincipalPolicy",), ("deploy", "destroy", "remove"),
            "IAM is asked first whether all of it is allowed; what the role that asks is called, nobody knows here",
            "https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html"),
    Implied(("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom",
             "kms:ReEncryptTo"), ("deploy",),
            "RDS and EBS take a key into use in the caller's name where the account's default key is one of its own",
            "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html, "
            "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html",
            {"StringEquals": {"kms:ViaService": ["ec2.{region}.amazonaws.com", "rds.{region}.amazonaws.com"]},
             "BoolIfExists": {"kms:GrantIsForAWSResource": "true"}}, "any_key"),
    Implied(("ec2:RunInstances", "ec2:CreateTags"), ("deploy",),
            "a scaling group is made of a launch template only by who may start instances of it",
            "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html"),
    Implied(("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"), ("deploy",),
            "a mount target is a network interface",
            "https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html"),
    Implied(("ec2:DeleteNetworkInterface",), ("deploy", "destroy"),
            "a mount target is a network interface",
            "https://docs.aws.amazon.com/efs/latest/ug/API_DeleteMountTarget.html"),
    Implied(("ecs:TagResource",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html"),
    Implied(("elasticloadbalancing:AddTags",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html"),
    Implied(("autoscaling:CreateOrUpdateTags",), ("deploy",), ON_CREATION, f"{REFERENCE}/list_amazonec2autoscaling.html"),
    Implied(("elasticfilesystem:TagResource",), ("deploy",), ON_CREATION,
            f"{REFERENCE}/list_amazonelasticfilesystem.html"),
    Implied(("iam:TagRole", "iam:TagInstanceProfile"), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"),
    Implied(("kms:TagResource",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html"),
    Implied(("logs:TagResource",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html"),
    Implied(("rds:AddTagsToResource",), ("deploy",), ON_CREATION, f"{REFERENCE}/list_amazonrds.html"),
    Implied(("ssm:AddTagsToResource",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"),
    Implied(("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
             "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"), ("deploy",),
            "pushing an image: the Docker engine speaks to the registry itself",
            "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"),
    Implied(("ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetAuthorizationToken"), ("deploy",),
            "what the registry has is looked at before anything is pushed; recorded without a Docker engine",
            "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"),
    Implied(("ecs:DescribeServiceRevisions",), ("deploy",),
            "a roll-back by hand passes over what ECS rolled back itself",
            "tasks/core/service_deployments.py"),
    Implied(("ecr:TagResource",), ("deploy",), ON_CREATION,
            "https://docs.aws.amazon.com/AmazonECR/latest/userguide/supported-iam-actions-tagging.html"),
    Implied(("s3:PutBucketTagging",), ("deploy",),
            "the state bucket is marked with the project that makes it",
            "tasks/core/state_bucket.py"),
    Implied(("s3:GetBucketTagging",), ("plan",),
            "buckets of other projects' states are found by their tags, whatever they are called",
            "tasks/core/neighbours.py", place="every_bucket"),
    Implied(("s3:ListAllMyBuckets", "s3:ListBucketVersions", "ecs:ListServices"), ("plan",),
            "looked up beside the plan: other states of the account, earlier ones of its own, what Terraform cannot see",
            "tasks/core/neighbours.py, tasks/core/state_history.py, tasks/core/unseen.py"),
    Implied(("s3:GetObjectVersion",), ("plan",),
            "an earlier state is read by its version: a plan says what the last one held, where the state was deleted",
            "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"),
    Implied(("iam:ListRoleTags", "elasticfilesystem:ListTagsForResource"), ("deploy", "destroy"),
            "what an interrupted apply made is looked up by its tags",
            "tasks/core/recovery"),
    Implied(("ecs:ListTaskDefinitions",), ("deploy", "destroy"),
            "an interrupted apply's task definitions, and those of a stack that goes, are found by their family",
            "tasks/core/recovery, tasks/core/teardown/drain.py"),
    Implied(("autoscaling:CompleteLifecycleAction", "autoscaling:DescribeLifecycleHooks", "ecs:DeregisterTaskDefinition",
             "ecs:DescribeTasks", "ecs:ListTasks", "ecs:UpdateCapacityProvider"), ("destroy",),
            "tasks are seen to their end; machines that a lifecycle hook or a capacity provider holds back are let go",
            "tasks/core/teardown/drain.py"),
    Implied(("backup:ListRecoveryPointsByResource", "ecr:ListImages", "kms:ListKeys", "rds:AddTagsToResource",
             "rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"), ("destroy",),
            "what would be lost, and what remains, is looked up first; a database goes with a snapshot that bears tags",
            "tasks/core/teardown"),
    Implied(("kms:ListGrants",), ("destroy",),
            "whether somebody else uses the key is asked before a person who may ends it",
            "tasks/core/teardown/key.py"),
    Implied(("s3:DeleteObject",), ("destroy",),
            "what was noted of a database goes with it",
            "tasks/core/database_record.py", place="record"),
    Implied(("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion"), ("remove",),
            "the bucket is emptied of every version, once no state in it holds anything",
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html", place="every_state"),
    Implied(("s3:DeleteBucket", "ecr:DeleteRepository", "ecr:ListTagsForResource"), ("remove",),
            "the last step of the way back, of what bears the project's tags",
            "tasks/core/teardown/bootstrapped.py"),
    Implied(("ecs:ExecuteCommand",), ("deploy",),
            "service.exec opens its shell with the AWS command line, which is not recorded",
            "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html"),
)

# The key outlives every stack, and every secret of the account may hang on it: no role ends it, whatever else it is allowed.
NEVER = ("kms:DeleteAlias", "kms:DeleteImportedKeyMaterial", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
         "kms:UpdateAlias")
