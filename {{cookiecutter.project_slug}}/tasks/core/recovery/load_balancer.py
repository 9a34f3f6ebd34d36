"""The load balancer, its target groups, its listeners and their rules."""

from __future__ import annotations

from collections.abc import Iterator

from ..session import Session
from .found import Finder, Found, by, items, tags, unless

NO_BALANCER = ("LoadBalancerNotFound", "LoadBalancerNotFoundException")
NO_GROUP = ("TargetGroupNotFound", "TargetGroupNotFoundException")
NO_LISTENER = ("ListenerNotFound", "ListenerNotFoundException")


def _load_balancers(session: Session, arguments: dict) -> Iterator[Found]:
    elb = session.client("elbv2")
    answer = unless(NO_BALANCER, lambda: elb.describe_load_balancers(Names=[arguments["name"]]))
    for balancer in (answer or {}).get("LoadBalancers", ()):
        state = balancer["State"]["Code"]
        yield _tagged(elb, balancer["LoadBalancerArn"], state if state == "provisioning" else "")


def _target_groups(session: Session, arguments: dict) -> Iterator[Found]:
    elb = session.client("elbv2")
    answer = unless(NO_GROUP, lambda: elb.describe_target_groups(Names=[arguments["name"]]))
    for group in (answer or {}).get("TargetGroups", ()):
        if group.get("VpcId") == arguments["vpc_id"]:
            yield _tagged(elb, group["TargetGroupArn"])


def _listeners(session: Session, arguments: dict) -> Iterator[Found]:
    """A load balancer listens once on a port."""
    elb, balancer = session.client("elbv2"), arguments["load_balancer_arn"]
    listeners = items(elb, "describe_listeners", "Listeners[]", LoadBalancerArn=balancer)
    for listener in unless(NO_BALANCER, lambda: list(listeners)) or ():
        if listener["Port"] == arguments["port"]:
            yield _tagged(elb, listener["ListenerArn"])


def _rules(session: Session, arguments: dict) -> Iterator[Found]:
    """A listener has one rule of a priority."""
    elb = session.client("elbv2")
    rules = items(elb, "describe_rules", "Rules[]", ListenerArn=arguments["listener_arn"])
    for rule in unless(NO_LISTENER, lambda: list(rules)) or ():
        if rule["Priority"] == str(arguments["priority"]):
            yield _tagged(elb, rule["RuleArn"])


def _tagged(elb, arn: str, pending: str = "") -> Found:
    return Found(arn, tags(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]), pending)


FINDERS: dict[str, Finder] = {
    "aws_lb": by(_load_balancers, "name"),
    "aws_lb_target_group": by(_target_groups, "name", "vpc_id"),
    "aws_lb_listener": by(_listeners, "load_balancer_arn", "port"),
    "aws_lb_listener_rule": by(_rules, "listener_arn", "priority"),
}
