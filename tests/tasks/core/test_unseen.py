"""What hangs on our resources and is in no state: found exactly, in words; what a plan tells is left to the plan."""

from __future__ import annotations

import json

import pytest

from tasks.core import unseen
from tasks.core.state_file import Resource, State

ANY = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "for now"}]}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]})
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def state(*resources: tuple[str, dict]) -> State:
    """A state of (type, attributes); each address is its type and its place."""
    return State(1, "one", tuple(Resource(f"{type}.r{place}", type, attributes)
                                 for place, (type, attributes) in enumerate(resources)), {})


def told(aws, *resources) -> list[tuple[str, str, object]]:
    found = unseen.find(aws, state(*resources))
    assert all(one.what == "extra" and one.state is None for one in found)
    return [(one.address, one.attribute, one.account) for one in found]


@pytest.fixture
def vpc(client) -> str:
    return client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def group(client, vpc, slug) -> str:
    ec2 = client("ec2")
    made = ec2.create_security_group(GroupName=slug, Description="test", VpcId=vpc)["GroupId"]
    ec2.revoke_security_group_egress(GroupId=made, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [
        {"CidrIp": "0.0.0.0/0"}]}])
    return made


def test_an_empty_state_has_nothing_extra(aws):
    assert unseen.find(aws, State(0, "", (), {})) == ()


def test_a_rule_that_the_state_does_not_have_is_extra(aws, client, group):
    ours, theirs = (client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
                    ["SecurityGroupRules"][0]["SecurityGroupRuleId"]
                    for permission in ({**ANY, "FromPort": 80, "ToPort": 80}, ANY))
    client("ec2").authorize_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])
    found = told(aws, ("aws_security_group", {"id": group}), ("aws_vpc_security_group_ingress_rule", {"id": ours}))
    [(_, way, out), into] = found
    assert into == ("aws_security_group.r0", f"ingress rule {theirs}", "tcp 22 from 0.0.0.0/0 (for now)")
    assert way.startswith("egress rule sgr-") and out == f"everything to {group}"


def test_a_range_of_ports_is_told_as_one(aws, client, group):
    client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "udp", "FromPort": 1, "ToPort": 9, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
    assert told(aws, ("aws_security_group", {"id": group}))[0][2] == "udp 1-9 from ::/0"


def test_the_rules_of_many_groups_are_asked_for_in_several_calls(aws, client, group, monkeypatch):
    monkeypatch.setattr(unseen, "FILTER_VALUES", 1)
    client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[ANY])
    assert len(told(aws, *(("aws_security_group", {"id": id_}) for id_ in ("sg-0", group, "sg-1")))) == 1


def test_a_route_that_the_state_does_not_have_is_extra(aws, client, vpc):
    ec2 = client("ec2")
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    for destination in ("0.0.0.0/0", "192.0.2.0/24"):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=destination, GatewayId=gateway)
    known = ("aws_route", {"route_table_id": table, "destination_cidr_block": "0.0.0.0/0"})
    assert told(aws, ("aws_route_table", {"id": table, "vpc_id": vpc}), known) == [
        ("aws_route_table.r0", "route to 192.0.2.0/24", f"through {gateway}")]


def test_a_policy_that_the_state_does_not_have_is_extra(aws, client, slug):
    iam, read_only = client("iam"), "arn:aws:iam::aws:policy/ReadOnlyAccess"
    iam.create_role(RoleName=slug, AssumeRolePolicyDocument=TRUST)
    for name in ("ours", "theirs"):
        iam.put_role_policy(RoleName=slug, PolicyName=name, PolicyDocument=ALL)
    for policy in ("AdministratorAccess", "ReadOnlyAccess"):
        iam.attach_role_policy(RoleName=slug, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    assert told(aws, ("aws_iam_role", {"name": slug}), ("aws_iam_role_policy", {"role": slug, "name": "ours"}),
                ("aws_iam_role_policy_attachment", {"role": slug, "policy_arn": read_only})) == [
        ("aws_iam_role.r0", "inline policy theirs", "written into the role"),
        ("aws_iam_role.r0", "policy AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess")]


def test_a_service_that_the_state_does_not_have_is_extra(aws, client, slug):
    ecs = client("ecs")
    ecs.create_cluster(clusterName=slug)
    ecs.register_task_definition(family=slug, containerDefinitions=[{"name": "a", "image": "a", "memory": 4}])
    arns = [ecs.create_service(cluster=slug, serviceName=name, taskDefinition=slug, desiredCount=0)["service"]["serviceArn"]
            for name in ("ours", "theirs")]
    cluster = ("aws_ecs_cluster", {"name": slug})
    ours = ("aws_ecs_service", {"cluster": f"arn:aws:ecs:x:000000000000:cluster/{slug}", "name": "ours"})
    assert told(aws, cluster, ours) == [("aws_ecs_cluster.r0", "service theirs", arns[1])]


def test_a_listener_and_a_rule_that_the_state_does_not_have_are_extra(aws, client, vpc, slug):
    ec2, elb = client("ec2"), client("elbv2")
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"ap-southeast-2{zone}")
               ["Subnet"]["SubnetId"] for number, zone in enumerate("ab")]
    balancer = elb.create_load_balancer(Name=slug, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    ours, theirs = (elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=port, DefaultActions=answer)
                    ["Listeners"][0]["ListenerArn"] for port in (80, 8080))
    rules = [elb.create_rule(ListenerArn=ours, Priority=number, Actions=answer, Conditions=[
        {"Field": "path-pattern", "Values": [f"/{number}"]}])["Rules"][0]["RuleArn"] for number in (1, 2)]
    assert told(aws, ("aws_lb", {"arn": balancer}), ("aws_lb_listener", {"arn": ours}),
                ("aws_lb_listener_rule", {"arn": rules[0]})) == [
        ("aws_lb.r0", "listener on port 8080", theirs),
        ("aws_lb_listener.r1", "rule with priority 2", rules[1])]


def test_what_is_gone_itself_has_nothing_extra_and_stops_nothing(aws, slug):
    """Each of them is a difference already, which a plan tells."""
    arn = "arn:aws:elasticloadbalancing:ap-southeast-2:000000000000:loadbalancer/app/none/0123456789abcdef"
    table = {"id": "rtb-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0"}
    assert told(aws, ("aws_security_group", {"id": "sg-0123456789abcdef0"}), ("aws_route_table", table),
                ("aws_iam_role", {"name": slug}), ("aws_lb", {"arn": arn}), ("aws_ecs_cluster", {"name": slug})) == []
