"""What hangs on our resources in the account and is in no state. A plan cannot see it: the provider looks after rules,
routes and policies one by one, each for itself, so one more is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator

from .drift import Difference
from .session import Session, error_code
from .state_file import Resource, State

FILTER_VALUES = 200  # AWS takes no more in one filter


def find(session: Session, state: State) -> tuple[Difference, ...]:
    """Every extra thing, by the address of the resource that it hangs on. Reads only."""
    looks = (_rules_of_security_groups, _routes, _policies_of_roles, _listeners, _services)
    found = (difference for look in looks for difference in look(session, state))
    return tuple(sorted(found, key=lambda difference: (difference.address, difference.attribute)))


def _rules_of_security_groups(session: Session, state: State) -> Iterator[Difference]:
    # the VPC's default group is emptied when Terraform takes it over, and not looked at again
    groups = _by(state, "aws_security_group", "id") | _by(state, "aws_default_security_group", "id")
    known = {rule.attributes["id"] for direction in ("ingress", "egress")
             for rule in state.of_type(f"aws_vpc_security_group_{direction}_rule")}
    pages = session.client("ec2").get_paginator("describe_security_group_rules")
    for some in _some(sorted(groups)):
        for page in pages.paginate(Filters=[{"Name": "group-id", "Values": some}]):
            for rule in page["SecurityGroupRules"]:
                if rule["SecurityGroupRuleId"] not in known:
                    way = "egress" if rule["IsEgress"] else "ingress"
                    yield Difference(groups[rule["GroupId"]].address, "extra", f"{way} rule {rule['SecurityGroupRuleId']}",
                                     account=_said(rule))


def _said(rule: dict) -> str:
    """A rule in words: tcp 5432 from 0.0.0.0/0 (its description)."""
    protocol = "everything" if rule["IpProtocol"] == "-1" else rule["IpProtocol"]
    ends = [rule[end] for end in ("FromPort", "ToPort") if rule.get(end, -1) != -1]
    ports = " " + "-".join(dict.fromkeys(map(str, ends))) if ends else ""
    other = (rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
             or (rule.get("ReferencedGroupInfo") or {}).get("GroupId", "?"))
    why = f" ({rule['Description']})" if rule.get("Description") else ""
    return f"{protocol}{ports} {'to' if rule['IsEgress'] else 'from'} {other}{why}"


def _routes(session: Session, state: State) -> Iterator[Difference]:
    tables = _by(state, "aws_route_table", "id")
    known = {(route.attributes["route_table_id"], route.attributes.get(f"destination_{kind}"))
             for route in state.of_type("aws_route") for kind in ("cidr_block", "ipv6_cidr_block", "prefix_list_id")}
    pages = session.client("ec2").get_paginator("describe_route_tables")
    for some in _some(sorted({table.attributes["vpc_id"] for table in tables.values()})):
        for page in pages.paginate(Filters=[{"Name": "vpc-id", "Values": some}]):
            for table in page["RouteTables"]:
                ours = tables.get(table["RouteTableId"])
                for route in filter(_made_by_somebody, table["Routes"] if ours else ()):
                    destination = next(route[name] for name in route if name.startswith("Destination"))
                    if (table["RouteTableId"], destination) not in known:
                        yield Difference(ours.address, "extra", f"route to {destination}", account=_target(route))


def _made_by_somebody(route: dict) -> bool:
    """Not the one that every table has, not one that a gateway spreads, not those of an endpoint for S3."""
    return route.get("Origin") == "CreateRoute" and not route.get("GatewayId", "").startswith("vpce-")


def _target(route: dict) -> str:
    targets = (value for name, value in route.items() if name.endswith("Id") and not name.startswith("Destination"))
    return f"through {next(targets, 'nothing')}"


def _policies_of_roles(session: Session, state: State) -> Iterator[Difference]:
    iam = session.client("iam")
    inline = {(one.attributes["role"], one.attributes["name"]) for one in state.of_type("aws_iam_role_policy")}
    attached = {(one.attributes["role"], one.attributes["policy_arn"])
                for one in state.of_type("aws_iam_role_policy_attachment")}
    for name, role in _by(state, "aws_iam_role", "name").items():
        try:
            own = [one for page in iam.get_paginator("list_role_policies").paginate(RoleName=name)
                   for one in page["PolicyNames"]]
            managed = [one["PolicyArn"] for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
                       for one in page["AttachedPolicies"]]
        except Exception as error:
            if error_code(error) != "NoSuchEntity":  # the role itself is gone: a plan tells
                raise
            continue
        for policy in own:
            if (name, policy) not in inline:
                yield Difference(role.address, "extra", f"inline policy {policy}", account="written into the role")
        for arn in managed:
            if (name, arn) not in attached:
                yield Difference(role.address, "extra", f"policy {arn.rpartition('/')[2]}", account=arn)


def _listeners(session: Session, state: State) -> Iterator[Difference]:
    elb = session.client("elbv2")
    listeners = _by(state, "aws_lb_listener", "arn")
    rules = _by(state, "aws_lb_listener_rule", "arn")
    for arn, balancer in _by(state, "aws_lb", "arn").items():
        try:
            present = [one for page in elb.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
                       for one in page["Listeners"]]
        except Exception as error:
            if error_code(error) != "LoadBalancerNotFound":  # a plan tells
                raise
            continue
        for listener in present:
            if listener["ListenerArn"] not in listeners:
                yield Difference(balancer.address, "extra", f"listener on port {listener['Port']}",
                                 account=listener["ListenerArn"])
                continue
            pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener["ListenerArn"])
            for rule in (rule for page in pages for rule in page["Rules"]):
                if not rule["IsDefault"] and rule["RuleArn"] not in rules:
                    yield Difference(listeners[listener["ListenerArn"]].address, "extra",
                                     f"rule with priority {rule['Priority']}", account=rule["RuleArn"])


def _services(session: Session, state: State) -> Iterator[Difference]:
    ecs = session.client("ecs")
    known = {(service.attributes["cluster"].rpartition("/")[2], service.attributes["name"])
             for service in state.of_type("aws_ecs_service")}
    for name, cluster in _by(state, "aws_ecs_cluster", "name").items():
        try:
            arns = [arn for page in ecs.get_paginator("list_services").paginate(cluster=name) for arn in page["serviceArns"]]
        except Exception as error:
            if error_code(error) != "ClusterNotFoundException":  # a plan tells
                raise
            continue
        for arn in arns:
            service = arn.rpartition("/")[2]
            if (name, service) not in known:
                yield Difference(cluster.address, "extra", f"service {service}", account=arn)


def _by(state: State, type: str, attribute: str) -> dict[str, Resource]:
    """The state's objects of a type by one attribute; without those that are only waiting for their end."""
    return {resource.attributes[attribute]: resource for resource in state.of_type(type)
            if resource.attributes.get(attribute) and not resource.deposed}


def _some(values: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), FILTER_VALUES):
        yield values[start:start + FILTER_VALUES]
