"""What there is in an embedded account, so that two accounts can be compared: nothing made twice, nothing left over.

    python inventory.py ENDPOINT     one JSON object: kind of object -> sorted names, without what AWS makes up
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator

REGION = "ap-southeast-2"


def of(endpoint: str) -> dict[str, list[str]]:
    import boto3

    def client(service: str):
        return boto3.client(service, region_name=REGION, endpoint_url=endpoint, aws_access_key_id="000000000000",
                            aws_secret_access_key="local")

    return {kind: sorted(map(str, names)) for look in LOOKS for kind, names in look(client)}


def _network(client: Callable) -> Iterator[tuple[str, list]]:
    ec2 = client("ec2")
    vpcs = {vpc["VpcId"]: vpc["CidrBlock"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc.get("IsDefault")}
    yield "vpc", list(vpcs.values())
    yield "subnet", [one["CidrBlock"] for one in ec2.describe_subnets()["Subnets"] if one["VpcId"] in vpcs]
    yield "internet gateway", [one["Attachments"][0]["VpcId"] in vpcs for one in ec2.describe_internet_gateways()[
        "InternetGateways"] if one["Attachments"] and one["Attachments"][0]["VpcId"] in vpcs]
    yield "unattached gateway", [1 for one in ec2.describe_internet_gateways()["InternetGateways"] if not one["Attachments"]]
    yield "nat gateway", [one["State"] for one in ec2.describe_nat_gateways()["NatGateways"] if one["State"] != "deleted"]
    yield "address", [one["Domain"] for one in ec2.describe_addresses()["Addresses"]]
    tables = [one for one in ec2.describe_route_tables()["RouteTables"] if one["VpcId"] in vpcs]
    yield "route", [_route(route) for table in tables for route in table["Routes"]]
    yield "route table", [len(table["Associations"]) for table in tables]
    yield "endpoint", [one["ServiceName"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]
                       if one["State"] != "deleted"]
    groups = {one["GroupId"]: _plain(one["GroupName"]) for one in ec2.describe_security_groups()["SecurityGroups"]
              if one.get("VpcId") in vpcs}
    yield "security group", list(groups.values())
    yield "security group rule", [
        f"{groups[rule['GroupId']]} {'out' if rule['IsEgress'] else 'in'} {rule.get('FromPort')}-{rule.get('ToPort')} "
        f"{rule.get('CidrIpv4') or groups.get(rule.get('ReferencedGroupInfo', {}).get('GroupId'), '')}"
        for rule in ec2.describe_security_group_rules()["SecurityGroupRules"] if rule["GroupId"] in groups]
    yield "launch template", [one["LaunchTemplateName"] for one in ec2.describe_launch_templates()["LaunchTemplates"]]
    yield "instance", [
        one["InstanceType"] for reserved in ec2.describe_instances()["Reservations"] for one in reserved["Instances"]
        if one["State"]["Name"] in ("pending", "running") and not _of_a_group(one)]
    scaling = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    yield "auto scaling group", [one["AutoScalingGroupName"] for one in scaling]


def _route(route: dict) -> str:
    target = next((name for name in ("NatGatewayId", "GatewayId") if route.get(name)), "")
    destination = route.get("DestinationCidrBlock") or route.get("DestinationPrefixListId")
    return f"{destination} {target} {route.get(target, '')[:4]}"


def _of_a_group(instance: dict) -> bool:
    return any(tag["Key"] == "aws:autoscaling:groupName" for tag in instance.get("Tags", ()))


def _identity(client: Callable) -> Iterator[tuple[str, list]]:
    iam = client("iam")
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"] if not role["Path"].startswith("/aws-")]
    yield "role", roles
    yield "role policy", [f"{role} {name}" for role in roles
                          for name in iam.list_role_policies(RoleName=role)["PolicyNames"]]
    yield "attached policy", [f"{role} {one['PolicyName']}" for role in roles
                              for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    profiles = iam.list_instance_profiles()["InstanceProfiles"]
    yield "instance profile", [f"{one['InstanceProfileName']} {len(one['Roles'])}" for one in profiles]
    kms = client("kms")
    yield "key", [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"]["KeyState"] for one in kms.list_keys()["Keys"]]
    yield "key alias", [one["AliasName"] for one in kms.list_aliases()["Aliases"]]


def _containers(client: Callable) -> Iterator[tuple[str, list]]:
    ecs = client("ecs")
    clusters = ecs.list_clusters()["clusterArns"]
    yield "cluster", [_last(arn) for arn in clusters]
    services = [service for cluster in clusters for arns in [ecs.list_services(cluster=cluster)["serviceArns"]] if arns
                for service in ecs.describe_services(cluster=cluster, services=arns)["services"]
                if service["status"] == "ACTIVE"]
    yield "service", [f"{one['serviceName']} {one['desiredCount']}" for one in services]
    yield "capacity provider", [one["name"] for one in ecs.describe_capacity_providers()["capacityProviders"]
                                if not one["name"].startswith("FARGATE")]
    yield "task definition", [_last(arn).rpartition(":")[0] for arn in ecs.list_task_definitions(status="ACTIVE")[
        "taskDefinitionArns"]]
    elb = client("elbv2")
    balancers = elb.describe_load_balancers()["LoadBalancers"]
    yield "load balancer", [one["LoadBalancerName"] for one in balancers]
    yield "target group", [one["TargetGroupName"] for one in elb.describe_target_groups()["TargetGroups"]]
    listeners = [listener for one in balancers
                 for listener in elb.describe_listeners(LoadBalancerArn=one["LoadBalancerArn"])["Listeners"]]
    yield "listener", [one["Port"] for one in listeners]
    yield "listener rule", [rule["Priority"] for one in listeners
                            for rule in elb.describe_rules(ListenerArn=one["ListenerArn"])["Rules"]]
    yield "event rule", [one["Name"] for one in client("events").list_rules()["Rules"]]


def _data(client: Callable) -> Iterator[tuple[str, list]]:
    rds = client("rds")
    yield "database", [f"{one['DBInstanceIdentifier']} {one['DBInstanceStatus']}" for one in rds.describe_db_instances()[
        "DBInstances"]]
    yield "database subnets", [one["DBSubnetGroupName"] for one in rds.describe_db_subnet_groups()["DBSubnetGroups"]]
    yield "database parameters", [_plain(one["DBParameterGroupName"]) for one in rds.describe_db_parameter_groups()[
        "DBParameterGroups"] if not one["DBParameterGroupName"].startswith("default.")]
    efs = client("efs")
    systems = [one["FileSystemId"] for one in efs.describe_file_systems()["FileSystems"]]
    yield "file system", [1 for _ in systems]
    yield "mount target", [one["AvailabilityZoneName"] for system in systems
                           for one in efs.describe_mount_targets(FileSystemId=system)["MountTargets"]]
    yield "access point", [1 for _ in efs.describe_access_points()["AccessPoints"]]
    pages = client("ssm").get_paginator("describe_parameters").paginate()
    yield "parameter", [one["Name"] for page in pages for one in page["Parameters"]]
    yield "log group", [one["logGroupName"] for page in client("logs").get_paginator("describe_log_groups").paginate()
                        for one in page["logGroups"]]
    s3 = client("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    yield "bucket", buckets
    yield "state lock", [one["Key"] for bucket in buckets for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
                         if one["Key"].endswith(".tflock")]


LOOKS = (_network, _identity, _containers, _data)


def _plain(name: str) -> str:
    """A name without the suffix that the provider makes up."""
    return re.sub(r"-?[0-9]{20,}[0-9a-f]*$", "", name)


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]


if __name__ == "__main__":
    print(json.dumps(of(sys.argv[1])))
