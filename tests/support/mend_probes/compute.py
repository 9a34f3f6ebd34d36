"""ECS, auto scaling, EC2."""

from __future__ import annotations

from . import Clients, new, probe, refusal


def _service(aws: Clients, **more) -> tuple:
    ecs, cluster = aws("ecs"), new("cluster")
    ecs.create_cluster(clusterName=cluster)
    family = new("task")
    ecs.register_task_definition(family=family, containerDefinitions=[{"name": "c", "image": "i", "memory": 128}])
    service = ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=family, desiredCount=0, **more)["service"]
    return ecs, cluster, service


@probe("ecs.no-empty-network")
def bridge_service_has_no_network_configuration(aws):
    ecs, cluster, made = _service(aws)
    found = ecs.describe_services(cluster=cluster, services=["s"])["services"][0]
    return "networkConfiguration" not in made and "networkConfiguration" not in found


@probe("ecs.service-fields")
def service_keeps_placement_and_rebalancing(aws):
    spread, pack = [{"type": "spread", "field": "attribute:ecs.availability-zone"}], [{"type": "binpack", "field": "memory"}]
    ecs, cluster, _ = _service(aws, placementStrategy=spread)

    def found() -> tuple:
        service = ecs.describe_services(cluster=cluster, services=["s"])["services"][0]
        return service.get("placementStrategy"), service.get("availabilityZoneRebalancing")

    made = found()
    ecs.update_service(cluster=cluster, service="s", placementStrategy=pack, availabilityZoneRebalancing="ENABLED")
    return (made, found()) == ((spread, "DISABLED"), (pack, "ENABLED"))


@probe("ecs.service-deployments")
def service_tells_what_became_of_its_deployments(aws):
    ecs, cluster, made = _service(aws)
    ecs.update_service(cluster=cluster, service="s", forceNewDeployment=True)
    listed = ecs.list_service_deployments(cluster=cluster, service="s")["serviceDeployments"]
    found = ecs.describe_service_deployments(serviceDeploymentArns=[each["serviceDeploymentArn"] for each in listed])
    revisions = ecs.describe_service_revisions(
        serviceRevisionArns=[each["targetServiceRevision"]["arn"] for each in found["serviceDeployments"]])
    return ([each["status"] for each in listed] == ["SUCCESSFUL"] * 2
            and found["serviceDeployments"][1]["serviceDeploymentArn"].endswith(made["deployments"][0]["id"].split("/")[1])
            and all(each["taskDefinition"] == made["taskDefinition"] for each in revisions["serviceRevisions"]))


def _capacity_provider(aws: Clients) -> str:
    name = new("cp")
    aws("ecs").create_capacity_provider(name=name, autoScalingGroupProvider={
        "autoScalingGroupArn": "arn:aws:autoscaling:ap-southeast-2:000000000000:autoScalingGroup:1:autoScalingGroupName/g",
        "managedDraining": "ENABLED"})
    return name


@probe("ecs.managed-draining")
def capacity_provider_keeps_managed_draining(aws):
    name = _capacity_provider(aws)
    found = aws("ecs").describe_capacity_providers(capacityProviders=[name])["capacityProviders"][0]
    return found["autoScalingGroupProvider"].get("managedDraining") == "ENABLED"


@probe("ecs.cluster-in-use")
def cluster_with_a_service_stays(aws):
    ecs, cluster, _ = _service(aws)
    return refusal(ecs.delete_cluster, cluster=cluster) == "ClusterContainsServicesException"


@probe("ecs.capacity-provider-in-use")
def capacity_provider_in_use_stays(aws):
    ecs, name, cluster = aws("ecs"), _capacity_provider(aws), new("cluster")
    ecs.create_cluster(clusterName=cluster, capacityProviders=[name])
    family = new("task")
    ecs.register_task_definition(family=family, containerDefinitions=[{"name": "c", "image": "i", "memory": 128}])
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=family, desiredCount=0,
                       capacityProviderStrategy=[{"capacityProvider": name, "weight": 1}])
    return (refusal(ecs.delete_capacity_provider, capacityProvider=name),
            refusal(ecs.put_cluster_capacity_providers, cluster=cluster, capacityProviders=[],
                     defaultCapacityProviderStrategy=[])) == ("ClientException", "ResourceInUseException")


@probe("autoscaling.launch-template")
def group_follows_its_launch_template(aws):
    ec2, scaling, name = aws("ec2"), aws("autoscaling"), new("group")
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.small"})
    template = template["LaunchTemplate"]["LaunchTemplateId"]
    scaling.create_auto_scaling_group(AutoScalingGroupName=name, MinSize=1, MaxSize=1, AvailabilityZones=["ap-southeast-2a"],
                                      LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    scaling.update_auto_scaling_group(AutoScalingGroupName=name,
                                      LaunchTemplate={"LaunchTemplateId": template, "Version": "2"})
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]["LaunchTemplate"]
    return found == {"LaunchTemplateId": template, "LaunchTemplateName": name, "Version": "2"}


@probe("ec2.all-traffic-has-no-ports")
def default_egress_can_be_revoked(aws):
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName=new("sg"), Description="d", VpcId=vpc)["GroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])  # as the provider does
    return ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"] == []


@probe("ec2.instance-fields")
def instance_keeps_what_it_was_launched_with(aws):
    ec2 = aws("ec2")
    launched = ec2.run_instances(
        ImageId="ami-0c2023a1b2c3d4e5f", InstanceType="t3.micro", MinCount=1, MaxCount=1,
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}],
    )["Instances"][0]["InstanceId"]
    found = ec2.describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]
    disk = ec2.describe_volumes(VolumeIds=[found["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]])["Volumes"][0]
    return found.get("MetadataOptions", {}).get("HttpPutResponseHopLimit") == 1 and disk["Encrypted"]


@probe("ec2.nat-address")
def nat_gateway_tells_its_address(aws):
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.6.1.0/24")["Subnet"]["SubnetId"]
    addresses = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2)]
    made = [ec2.create_nat_gateway(SubnetId=subnet, AllocationId=each)["NatGateway"]["NatGatewayId"] for each in addresses]
    found = ec2.describe_nat_gateways(NatGatewayIds=made)["NatGateways"]
    told = {each["NatGatewayId"]: [address["AllocationId"] for address in each["NatGatewayAddresses"]] for each in found}
    return told == {gateway: [address] for gateway, address in zip(made, addresses, strict=True)}
