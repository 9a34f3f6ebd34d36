"""The load balancer's front: found by its name in any account and region, its listeners, its patience."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from mends import around_function, mend

PREFIX = "/_alb/"


@mend("elb.any-region", "a load balancer is found only in MiniStack's own region, and not by a host name of its rules")
def any_region() -> None:
    from ministack import app
    from ministack.core.responses import request_scope
    from ministack.services import alb

    @around_function(app, "_is_potential_alb_request")
    def perhaps(original, host, path):
        return original(host, path) or any(_hosts(rule, host) for _, rule in alb._rules.all_items())

    @around_function(app, "_handle_alb_request")
    async def found(original, host, path, *arguments):
        for account, region, balancer in _balancers():
            if _is_meant(balancer, host, path):
                with request_scope(account, region):
                    return await original(host, path, *arguments)
        rule = next((each for each in alb._rules.all_items() if _hosts(each[1], host)), None)
        if rule is None:
            return await original(host, path, *arguments)
        (account, region, _), listener = rule[0], rule[1]["ListenerArn"]
        with request_scope(account, region):
            arn = alb._listeners[listener]["LoadBalancerArn"]
            name = next(each["LoadBalancerName"] for each in alb._lbs.values() if each["LoadBalancerArn"] == arn)
            method, headers, body, query, raw_query, raw_path = arguments
            return await original(host, f"{PREFIX}{name}{path}", method, headers, body, query, raw_query,
                                  f"{PREFIX}{name}{raw_path or path}")


def _balancers() -> Iterator[tuple[str, str, dict]]:
    from ministack.services import alb

    for (account, region, _), balancer in alb._lbs.all_items():
        yield account, region, balancer


def _is_meant(balancer: dict, host: str, path: str) -> bool:
    name, asked = balancer["LoadBalancerName"].lower(), host.split(":")[0].lower()
    if path.startswith(PREFIX):
        return path[len(PREFIX):].split("/")[0].lower() == name
    return asked in (balancer["DNSName"].lower(), f"{name}.alb.localhost")


def _hosts(rule: dict, host: str) -> bool:
    """Whether one of the rule's host names is the one that was asked for."""
    asked = host.split(":")[0].lower()
    return any(fnmatch.fnmatch(asked, value.lower()) for condition in rule.get("Conditions", ())
               if condition.get("Field") == "host-header"
               for value in condition.get("Values") or (condition.get("HostHeaderConfig") or {}).get("Values") or ())


@mend("elb.front-listener", "with HTTPS the front answers each request with a redirection to a port where nobody listens")
def front_listener() -> None:
    from ministack.services import alb

    @around_function(alb, "dispatch_request")
    async def through(original, balancer, method, path, headers, body, query, port=80, **more):
        ports = {each.get("Port") for each in alb._listeners.values()
                 if each["LoadBalancerArn"] == balancer["LoadBalancerArn"]}
        front = port if port in ports or 443 not in ports else 443
        return await original(balancer, method, path, headers, body, query, front, **more)


@mend("elb.idle-timeout", "a map that takes more than a minute is cut off, whatever the load balancer's attribute says",
      containers=True)
def idle_timeout() -> None:
    from ministack.services import alb

    @around_function(alb, "dispatch_request")
    async def patient(original, balancer, *arguments, **more):
        # MiniStack has one patience for all; the longest of theirs cuts nobody off.
        wanted = [float(each["Value"]) for attributes in alb._lb_attrs._data.values() for each in attributes
                  if each["Key"] == "idle_timeout.timeout_seconds"]
        alb.TARGET_IDLE_TIMEOUT = max(wanted, default=60)
        return await original(balancer, *arguments, **more)
