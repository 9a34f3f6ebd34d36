"""Each mend, shown twice: with it MiniStack does what AWS does, without it the defect is there.

A mend whose defect no longer shows without it fails here: it is to be dropped.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tasks.core import embedded_aws

Clients = Callable[..., object]
Probe = Callable[[Clients], bool]
PROBES: dict[str, Probe] = {}
_numbers = itertools.count()


def probe(name: str) -> Callable[[Probe], Probe]:
    """Register what shows that a mend works: true with it, false without it."""

    def register(function: Probe) -> Probe:
        PROBES[name] = function
        return function

    return register


@pytest.mark.parametrize("name", PROBES)
def test_what_a_mend_mends_is_broken_without_it(name, mended, python, home, clients):
    assert PROBES[name](clients(mended))
    assert not PROBES[name](clients(embedded_aws.start(home, python, options=["--without-mend", name])))


def test_every_mend_has_a_probe_and_a_sentence(python):
    listed = dict(line.split(": ", 1) for line in _serve(python, "--list-mends").stdout.splitlines())
    assert {name for name in listed if not name.endswith("(containers)")} == set(PROBES)  # test_container_mends has the rest
    assert all(len(without) > 20 for without in listed.values())


def test_a_mend_that_does_not_exist_is_refused(python, home):
    done = _serve(python, "--home", str(home), "--without-mend", "ecs.nonsense")
    assert done.returncode == 4
    assert done.stderr == "There is no mend called ecs.nonsense.\n"


def _serve(python: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(python), "-B", str(embedded_aws.PROGRAM), *options], capture_output=True, text=True)


def _new(name: str) -> str:
    return f"{name}-{next(_numbers)}"


def _refused(call: Callable, **arguments) -> str:
    """The code that the call is refused with, empty when it is not."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


# HTTP


@probe("http.whole-answers")
def head_and_body_come_together(aws):
    """In one packet each of fifty times; apart they come in one only when the machine is busy."""
    address = urlsplit(aws("sts").meta.endpoint_url)
    return all(_first_packet(address.hostname, address.port).partition(b"\r\n\r\n")[2] for _ in range(50))


def _first_packet(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=10) as asking:
        asking.sendall(b"GET /_local HTTP/1.1\r\nHost: x\r\n\r\n")
        return asking.recv(65536)


# ECS


def _service(aws: Clients, **more) -> tuple:
    ecs, cluster = aws("ecs"), _new("cluster")
    ecs.create_cluster(clusterName=cluster)
    family = _new("task")
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
    name = _new("cp")
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
    return _refused(ecs.delete_cluster, cluster=cluster) == "ClusterContainsServicesException"


@probe("ecs.capacity-provider-in-use")
def capacity_provider_in_use_stays(aws):
    ecs, name, cluster = aws("ecs"), _capacity_provider(aws), _new("cluster")
    ecs.create_cluster(clusterName=cluster, capacityProviders=[name])
    family = _new("task")
    ecs.register_task_definition(family=family, containerDefinitions=[{"name": "c", "image": "i", "memory": 128}])
    ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=family, desiredCount=0,
                       capacityProviderStrategy=[{"capacityProvider": name, "weight": 1}])
    return (_refused(ecs.delete_capacity_provider, capacityProvider=name),
            _refused(ecs.put_cluster_capacity_providers, cluster=cluster, capacityProviders=[],
                     defaultCapacityProviderStrategy=[])) == ("ClientException", "ResourceInUseException")


# Auto scaling and EC2


@probe("autoscaling.launch-template")
def group_follows_its_launch_template(aws):
    ec2, scaling, name = aws("ec2"), aws("autoscaling"), _new("group")
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
    group = ec2.create_security_group(GroupName=_new("sg"), Description="d", VpcId=vpc)["GroupId"]
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


# RDS


def _database(aws: Clients, **more) -> tuple:
    rds, name = aws("rds"), _new("db")
    rds.create_db_instance(DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t4g.micro",
                           MasterUsername="master", MasterUserPassword="long-enough", AllocatedStorage=20, **more)
    return rds, name


@probe("rds.log-exports")
def database_keeps_its_log_exports(aws):
    rds, name = _database(aws, EnableCloudwatchLogsExports=["postgresql", "upgrade"])
    before = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0].get("EnabledCloudwatchLogsExports")
    rds.modify_db_instance(DBInstanceIdentifier=name, CloudwatchLogsExportConfiguration={"DisableLogTypes": ["upgrade"]})
    after = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0].get("EnabledCloudwatchLogsExports")
    return (before, after) == (["postgresql", "upgrade"], ["postgresql"])


@probe("rds.backup-window")
def database_keeps_its_backup_window(aws):
    rds, name = _database(aws, PreferredBackupWindow="17:00-18:00")
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["PreferredBackupWindow"] == "17:00-18:00"


@probe("rds.resource-id-filter")
def database_is_found_by_its_resource_id(aws):
    rds, name = _database(aws)
    _database(aws)
    wanted = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DbiResourceId"]

    def found(value: str) -> list[str]:
        answer = rds.describe_db_instances(Filters=[{"Name": "dbi-resource-id", "Values": [value]}])
        return [each["DBInstanceIdentifier"] for each in answer["DBInstances"]]

    return (found(wanted), found("db-of-nobody")) == ([name], [])


@probe("rds.password")
def bad_password_is_refused(aws):
    rds, name = _database(aws)
    bad = ["short", "with/slash1", 'with"quote', "with@sign12", "with space1", "with-ünicode", "x" * 129]
    refused = [_refused(rds.modify_db_instance, DBInstanceIdentifier=name, MasterUserPassword=each) for each in bad]
    return refused == ["InvalidParameterValue"] * len(bad) and not _refused(
        rds.modify_db_instance, DBInstanceIdentifier=name, MasterUserPassword="!#$%&'()*+,-.:;<=>?[]^_`{|}~")


@probe("rds.final-snapshot")
def final_snapshot_is_named_and_new(aws):
    rds, name = _database(aws)
    rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-taken")
    return (_refused(rds.delete_db_instance, DBInstanceIdentifier=name),
            _refused(rds.delete_db_instance, DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-taken"),
            _refused(rds.delete_db_instance, DBInstanceIdentifier=name, FinalDBSnapshotIdentifier=f"{name}-new")) == (
        "InvalidParameterCombination", "DBSnapshotAlreadyExists", "")


# Load balancer


@probe("elb.deletion-protection")
def protected_load_balancer_stays(aws):
    elb, ec2 = aws("elbv2"), aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    name = elb.create_load_balancer(Name=_new("lb"), Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    for value in ("true", "false"):
        elb.modify_load_balancer_attributes(LoadBalancerArn=name,
                                            Attributes=[{"Key": "deletion_protection.enabled", "Value": value}])
        if value == "true" and _refused(elb.delete_load_balancer, LoadBalancerArn=name) != "OperationNotPermitted":
            return False
    return not _refused(elb.delete_load_balancer, LoadBalancerArn=name)


@probe("elb.health-check-path")
def health_check_path_may_hold_a_query(aws):
    elb, path = aws("elbv2"), "/?service=WMS&request=GetCapabilities"
    vpc = aws("ec2").create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    try:
        made = elb.create_target_group(Name=_new("tg"), Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath=path)
    except ResponseParserError:
        return False
    return made["TargetGroups"][0]["HealthCheckPath"] == path


def _balancer(aws: Clients) -> tuple[object, dict, str]:
    elb, ec2 = aws("elbv2"), aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.5.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    return elb, elb.create_load_balancer(Name=_new("front"), Subnets=subnets)["LoadBalancers"][0], elb.meta.endpoint_url


def _says(text: str) -> list[dict]:
    answer = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": text}
    return [{"Type": "fixed-response", "FixedResponseConfig": answer}]


def _get(address: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.split("//")[1].split("/")[0], timeout=10)
    connection.request("GET", "/" + "/".join(address.split("/")[3:]), headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@probe("elb.any-region")
def load_balancer_is_found_by_name_and_by_a_rules_host(aws):
    elb, balancer, endpoint = _balancer(aws)
    host = _new("maps") + ".example.org"
    listener = elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=80, Protocol="HTTP",
                                   DefaultActions=_says("anybody"))["Listeners"][0]["ListenerArn"]
    elb.create_rule(ListenerArn=listener, Priority=1, Actions=_says("a map of all"),
                    Conditions=[{"Field": "path-pattern", "Values": ["/wms"]}])
    elb.create_rule(ListenerArn=listener, Priority=2, Actions=_says("a host's map"),
                    Conditions=[{"Field": "host-header", "Values": [host]}])
    by_name = f"{endpoint}/_alb/{balancer['LoadBalancerName']}"
    return [_get(f"{by_name}/"), _get(f"{by_name}/wms?a=b"), _get(f"{endpoint}/x", host)] == [
        (200, "anybody"), (200, "a map of all"), (200, "a host's map")]


@probe("elb.front-listener")
def front_speaks_for_the_listener_that_people_end_at(aws):
    elb, balancer, endpoint = _balancer(aws)
    redirect = [{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]
    for port, protocol, actions in ((80, "HTTP", redirect), (443, "HTTPS", _says("a map"))):
        elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=port, Protocol=protocol,
                            DefaultActions=actions, Certificates=[
                                {"CertificateArn": "arn:aws:acm:ap-southeast-2:000000000000:certificate/c"}])
    return _get(f"{endpoint}/_alb/{balancer['LoadBalancerName']}/") == (200, "a map")


# Parameter store and its key


@probe("ssm.published-images")
def ecs_image_is_published(aws):
    names = [f"/aws/service/ecs/optimized-ami/amazon-linux-2023{cpu}/recommended/image_id" for cpu in ("", "/arm64")]
    found = aws("ssm").get_parameters(Names=names)
    return not found["InvalidParameters"] and all(
        aws("ec2").describe_images(ImageIds=[each["Value"]])["Images"] for each in found["Parameters"])


def _key(aws: Clients) -> tuple[str, str]:
    kms, alias = aws("kms"), "alias/" + _new("key")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return key, alias


@probe("ssm.write-needs-key")
def secret_is_written_only_under_a_living_key(aws):
    ssm, kms = aws("ssm"), aws("kms")

    def write(alias: str) -> str:
        return _refused(ssm.put_parameter, Name="/" + _new("secret"), Value="v", Type="SecureString", KeyId=alias)

    key, alias = _key(aws)
    answers = [write("alias/never-made"), write(alias)]
    kms.disable_key(KeyId=key)
    answers.append(write(alias))
    kms.enable_key(KeyId=key)
    answers.append(write(alias))
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    answers.append(write(alias))
    plain = [_refused(ssm.put_parameter, Name="/" + _new("plain"), Value="v", Type="String"),
             _refused(ssm.put_parameter, Name="/" + _new("default"), Value="v", Type="SecureString")]
    return answers == ["InvalidKeyId", "", "InvalidKeyId", "", "InvalidKeyId"] and plain == ["", ""]


@probe("ssm.read-needs-key")
def secret_is_read_only_under_a_living_key(aws):
    ssm, kms = aws("ssm"), aws("kms")
    key, alias = _key(aws)
    path = "/" + _new("service")
    ssm.put_parameter(Name=f"{path}/password", Value="v", Type="SecureString", KeyId=alias)

    def reads() -> list[str]:
        return [_refused(ssm.get_parameter, Name=f"{path}/password", WithDecryption=True),
                _refused(ssm.get_parameters, Names=[f"{path}/password"], WithDecryption=True),
                _refused(ssm.get_parameters_by_path, Path=path, WithDecryption=True)]

    fine = reads()
    kms.disable_key(KeyId=key)
    disabled = reads()
    listed = _refused(ssm.get_parameters_by_path, Path=path)
    kms.enable_key(KeyId=key)
    kms.delete_alias(AliasName=alias)  # as Terraform does before it deletes the key
    without_alias = reads()
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    return (fine, disabled, listed, without_alias, reads()) == (
        [""] * 3, ["InvalidKeyId"] * 3, "", [""] * 3, ["InvalidKeyId"] * 3)
