"""The launch template, the auto scaling group and the jumpbox."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, filters, items, tags, unless

LIVING = ("pending", "running", "stopping", "stopped")


def _launch_templates(session: Session, arguments: dict) -> Iterator[Found]:
    ec2 = session.client("ec2")
    answer = unless("InvalidLaunchTemplateName.NotFoundException",
                    lambda: ec2.describe_launch_templates(LaunchTemplateNames=[arguments["name"]]))
    for template in (answer or {}).get("LaunchTemplates", ()):
        yield Found(template["LaunchTemplateId"], tags(template.get("Tags")))


def _auto_scaling_groups(session: Session, arguments: dict) -> Iterator[Found]:
    """The provider's default tags stop before this type: it is ours when its name, its subnets and its own tags are."""
    subnets = set(arguments.get("vpc_zone_identifier") or ())
    wanted = {tag["key"]: tag["value"] for tag in arguments.get("tag") or ()}
    groups = session.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[arguments["name"]])
    for group in groups["AutoScalingGroups"]:
        same = set(filter(None, group.get("VPCZoneIdentifier", "").split(","))) == subnets
        if same and wanted.items() <= tags(group.get("Tags")).items() and not group.get("Status"):  # "Delete in progress"
            yield Found(group["AutoScalingGroupName"])


def _instances(session: Session, arguments: dict) -> Iterator[Found]:
    inside = filters(subnet_id=arguments["subnet_id"])
    for machine in items(session.client("ec2"), "describe_instances", "Reservations[].Instances[]", Filters=inside):
        state = machine["State"]["Name"]
        if (state in LIVING and machine.get("SubnetId") == arguments["subnet_id"]
                and machine["InstanceType"] == arguments["instance_type"]):
            yield Found(machine["InstanceId"], tags(machine.get("Tags")), state if state == "pending" else "")


FINDERS: dict[str, Finder] = {
    "aws_launch_template": by(_launch_templates, "name"),
    "aws_autoscaling_group": by(_auto_scaling_groups, "name", "vpc_zone_identifier"),
    "aws_instance": by(_instances, "subnet_id", "instance_type"),
}
