"""Security groups and their rules, and what is left to do for a group that was adopted half made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..session import Session
from .found import Finder, Found, by, filters, items, made_from, tags

EVERYWHERE = ("0.0.0.0/0", "::/0")
ANY = "-1"  # protocol: all of them; AWS then answers -1 for the ports too


def _groups(session: Session, arguments: dict) -> Iterator[Found]:
    inside = filters(vpc_id=arguments["vpc_id"])
    for group in items(session.client("ec2"), "describe_security_groups", "SecurityGroups[]", Filters=inside):
        if (group["VpcId"] == arguments["vpc_id"] and group["Description"] == arguments.get("description")
                and made_from(group["GroupName"], arguments["name_prefix"])):
            yield Found(group["GroupId"], tags(group.get("Tags")))


def _rules(egress: bool) -> Callable[[Session, dict], Iterator[Found]]:
    """The rules of one direction, told by all that they say: AWS refuses a second one that lets the same through."""

    def candidates(session: Session, arguments: dict) -> Iterator[Found]:
        wanted = _meaning_of_plan(arguments)
        for rule in _all_rules(session, arguments["security_group_id"]):
            if rule["IsEgress"] is egress and _meaning(rule) == wanted:
                yield Found(rule["SecurityGroupRuleId"], tags(rule.get("Tags")))

    return candidates


def _all_rules(session: Session, group: str) -> Iterator[dict]:
    for rule in items(session.client("ec2"), "describe_security_group_rules", "SecurityGroupRules[]",
                      Filters=filters(group_id=group)):
        if rule["GroupId"] == group:
            yield rule


def _meaning(rule: dict) -> tuple:
    ports = (None, None) if rule["IpProtocol"] == ANY else (rule.get("FromPort"), rule.get("ToPort"))
    return (rule["IpProtocol"], *ports, rule.get("CidrIpv4"), rule.get("CidrIpv6"), rule.get("PrefixListId"),
            (rule.get("ReferencedGroupInfo") or {}).get("GroupId"), rule.get("Description") or "")


def _meaning_of_plan(arguments: dict) -> tuple:
    protocol = arguments["ip_protocol"]
    ports = (None, None) if protocol == ANY else (arguments.get("from_port"), arguments.get("to_port"))
    return (protocol, *ports, arguments.get("cidr_ipv4"), arguments.get("cidr_ipv6"), arguments.get("prefix_list_id"),
            arguments.get("referenced_security_group_id"), arguments.get("description") or "")


def close(session: Session, group: str) -> list[str]:
    """Take away the way out to everywhere that AWS gives a new group; answers the ids of the rules.

    The provider takes it away in a call of its own after making the group. It owns rules one by one: a group that was
    adopted between the two would keep this one, and no plan would ever show it. A rule of this project's has a description.
    """
    given = [rule["SecurityGroupRuleId"] for rule in _all_rules(session, group)
             if rule["IsEgress"] and rule["IpProtocol"] == ANY and not rule.get("Description") and not rule.get("Tags")
             and (rule.get("CidrIpv4") in EVERYWHERE or rule.get("CidrIpv6") in EVERYWHERE)]
    if given:
        session.client("ec2").revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=given)
    return given


FINDERS: dict[str, Finder] = {
    "aws_security_group": by(_groups, "vpc_id", "name_prefix"),
    "aws_vpc_security_group_ingress_rule": by(_rules(egress=False), "security_group_id", "ip_protocol"),
    "aws_vpc_security_group_egress_rule": by(_rules(egress=True), "security_group_id", "ip_protocol"),
}
