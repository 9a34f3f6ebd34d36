"""How answers come, and load balancers."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

from botocore.parsers import ResponseParserError

from . import Clients, new, probe, refusal


@probe("http.whole-answers")
def head_and_body_come_together(aws):
    """In one packet each of fifty times; apart they come in one only when the machine is busy."""
    address = urlsplit(aws("sts").meta.endpoint_url)
    return all(_first_packet(address.hostname, address.port).partition(b"\r\n\r\n")[2] for _ in range(50))


def _first_packet(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=10) as asking:
        asking.sendall(b"GET /_local HTTP/1.1\r\nHost: x\r\n\r\n")
        return asking.recv(65536)


@probe("elb.deletion-protection")
def protected_load_balancer_stays(aws):
    elb, ec2 = aws("elbv2"), aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    name = elb.create_load_balancer(Name=new("lb"), Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    for value in ("true", "false"):
        elb.modify_load_balancer_attributes(LoadBalancerArn=name,
                                            Attributes=[{"Key": "deletion_protection.enabled", "Value": value}])
        if value == "true" and refusal(elb.delete_load_balancer, LoadBalancerArn=name) != "OperationNotPermitted":
            return False
    return not refusal(elb.delete_load_balancer, LoadBalancerArn=name)


@probe("elb.health-check-path")
def health_check_path_may_hold_a_query(aws):
    elb, path = aws("elbv2"), "/?service=WMS&request=GetCapabilities"
    vpc = aws("ec2").create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    try:
        made = elb.create_target_group(Name=new("tg"), Protocol="HTTP", Port=80, VpcId=vpc, HealthCheckPath=path)
    except ResponseParserError:
        return False
    return made["TargetGroups"][0]["HealthCheckPath"] == path


def _balancer(aws: Clients) -> tuple[object, dict, str]:
    elb, ec2 = aws("elbv2"), aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.5.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    return elb, elb.create_load_balancer(Name=new("front"), Subnets=subnets)["LoadBalancers"][0], elb.meta.endpoint_url


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
    host = new("maps") + ".example.org"
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
