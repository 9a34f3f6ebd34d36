"""The load balancer's health checks, really made, and traffic to healthy targets alone."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import docker_engine as engine

from mends import around, around_function, mend

LOOK_EVERY = 0.5  # seconds between two looks at who is to be asked
NEW_TARGET_EVERY = 1.0  # seconds: a new target is asked this often, so that nobody waits a whole interval for it
TOGETHER = 16  # targets that are asked at once

STARTING = ("Elb.RegistrationInProgress", "Target registration is in progress")
NOT_IN_USE = ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
NO_TARGET = b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n</html>\r\n"
TIMED_OUT = b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n</html>\r\n"

Place = tuple[str, str, int]  # target group, address, port


@dataclass
class Target:
    """What the checks of one target said: AWS's state and reason, and the answers in a row."""

    state: str = "initial"
    reason: tuple[str, str] = STARTING
    good: int = 0
    bad: int = 0
    next_look: float = 0
    counted_at: float = 0
    asking: bool = False


_targets: dict[Place, Target] = {}


@mend("elb.target-health", "every target is healthy from its first moment, so a roll-out always succeeds, and its requests "
      "go to tasks that do not answer", containers=True)
def target_health() -> None:
    from ministack.services import alb

    @around(alb, "DescribeTargetHealth")
    def described(original, request):
        group = alb._tgs.get(alb._p(request, "TargetGroupArn"))
        if not group or group.get("TargetType") == "lambda":
            return original(request)
        asked = {each["Id"] for each in alb._parse_targets_param(request)}
        shown = "".join(_shown(group, each) for each in alb._targets.get(group["TargetGroupArn"], ())
                        if not asked or each["Id"] in asked)
        return alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{shown}</TargetHealthDescriptions>")

    @around_function(alb, "_forward_to_tg")
    async def to_a_healthy_one(original, arn, method, path, headers, body, query, raw_query=None, raw_path=None):
        group, registered = alb._tgs.get(arn), alb._targets.get(arn)
        if not group or group.get("TargetType") == "lambda":
            return await original(arn, method, path, headers, body, query, raw_query, raw_path)
        fit = _fit(group, registered or [])
        if not fit:
            return 503, {"Content-Type": "text/html"}, NO_TARGET
        answer = await alb._proxy_http_target(random.choice(fit), group, method, raw_path or path, headers, body, query,
                                              raw_query)
        if answer[0] == 502 and isinstance(answer[2], bytes) and b"timed out" in answer[2]:
            return 504, {"Content-Type": "text/html"}, TIMED_OUT
        return answer

    threading.Thread(target=_look_after_all, name="local-health", daemon=True).start()


def of(group_arn: str, address: str | None, port: int) -> Target:
    """What is known of a target; a new one when nothing is."""
    return _targets.get((group_arn, address or "", port)) or Target()


def _fit(group: dict, registered: list[dict]) -> list[dict]:
    """The targets that get requests: the healthy ones, or as on AWS all that failed when there is no healthy one."""
    states = [(each, of(*_place(group, each)).state) for each in registered]
    return ([each for each, state in states if state == "healthy"]
            or [each for each, state in states if state == "unhealthy"])


def _shown(group: dict, target: dict) -> str:
    place = _place(group, target)
    known = of(*place)
    state, reason = (known.state, known.reason) if _in_use(place[0]) else ("unused", NOT_IN_USE)
    why = "" if state == "healthy" else f"<Reason>{reason[0]}</Reason><Description>{reason[1]}</Description>"
    return (f"<member><Target><Id>{target['Id']}</Id><Port>{place[2]}</Port></Target>"
            f"<TargetHealth><State>{state}</State>{why}</TargetHealth></member>")


def _in_use(group_arn: str) -> bool:
    """Whether a listener sends its requests there."""
    from ministack.services import alb

    actions = [each.get("DefaultActions") for each in alb._listeners.values()]
    actions += [each.get("Actions") for each in alb._rules.values()]
    return group_arn in json.dumps(actions)


def _place(group: dict, target: dict) -> Place:
    return group["TargetGroupArn"], target["Id"], int(target.get("Port") or group.get("Port") or 80)


def _look_after_all() -> None:
    """Ask every target of every account in its time, for ever."""
    from ministack.core.responses import request_scope
    from ministack.services import alb

    with ThreadPoolExecutor(TOGETHER, "local-health") as together:
        while not engine.closing.wait(LOOK_EVERY):
            now, seen = time.monotonic(), set()
            for (account, region, arn), group in alb._tgs.all_items():
                if group.get("TargetType") == "lambda":
                    continue
                with request_scope(account, region):
                    registered = list(alb._targets.get(arn, ()))
                for each in registered:
                    place = _place(group, each)
                    seen.add(place)
                    target = _targets.setdefault(place, Target())
                    if not target.asking and now >= target.next_look:
                        target.asking = True
                        together.submit(_look_at, group, place, target)
            for gone in set(_targets) - seen:
                del _targets[gone]


def _look_at(group: dict, place: Place, target: Target) -> None:
    interval = float(group.get("HealthCheckIntervalSeconds") or 30)
    try:
        failure, now = _ask(group, place), time.monotonic()
        new = target.state == "initial"
        if failure is None:
            target.good, target.bad = target.good + 1, 0
            if new or target.good >= int(group.get("HealthyThresholdCount") or 5):  # one answer is enough for a new one
                target.state = "healthy"
        elif not new or now - target.counted_at >= interval:  # asked more often than AWS does, but not counted more often
            target.good, target.bad, target.counted_at, target.reason = 0, target.bad + 1, now, failure
            if target.bad >= int(group.get("UnhealthyThresholdCount") or 2):
                target.state = "unhealthy"
        target.next_look = now + (min(interval, NEW_TARGET_EVERY) if target.state == "initial" else interval)
    finally:
        target.asking = False


def _ask(group: dict, place: Place) -> tuple[str, str] | None:
    """One health check: AWS's reason and description when it failed."""
    _, address, port = place
    wanted = str(group.get("HealthCheckPort") or "traffic-port")
    patience = float(group.get("HealthCheckTimeoutSeconds") or 5)
    connection = http.client.HTTPConnection(address, port if wanted == "traffic-port" else int(wanted), timeout=patience)
    try:
        connection.request("GET", group.get("HealthCheckPath") or "/", headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        return "Target.Timeout", "Request timed out"
    except (OSError, http.client.HTTPException):
        return "Target.FailedHealthChecks", "Health checks failed"
    finally:
        connection.close()
    matcher = group.get("Matcher") or {}
    codes = (matcher.get("HttpCode") if isinstance(matcher, dict) else matcher) or "200"
    ranges = [each.partition("-") for each in codes.split(",")]
    if any(int(first) <= status <= int(last or first) for first, _, last in ranges):
        return None
    return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"
