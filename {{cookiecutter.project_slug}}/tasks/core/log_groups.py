"""CloudWatch Logs: what containers have said. Lines come in the order of their time, whatever the number of pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .session import Session, error_code

THROTTLED = ("ThrottlingException", "LimitExceededException", "TooManyRequestsException", "ServiceUnavailableException")
PATIENCE = 60  # seconds of throttling beyond boto3's own five attempts
MOST_AT_ONCE = 10_000  # events of a page: the API's own limit
LATE = 10_000  # ms that an event may arrive after its time and still be seen by `follow`


@dataclass(frozen=True)
class Line:
    """One log event. ``at`` is UTC; ``stream`` is <prefix>/<container>/<task id>."""

    at: datetime
    group: str
    stream: str
    text: str

    @property
    def task(self) -> str:
        return self.stream.rpartition("/")[2]


def last(session: Session, group: str, stream: str, count: int = 20) -> list[str]:
    """The last lines of a stream, oldest first; none when the container has said nothing yet."""
    return _page(session, group, stream, count, from_head=False)[-count:]


def first(session: Session, group: str, stream: str, count: int = 20) -> list[str]:
    """The first lines of a stream."""
    return _page(session, group, stream, count, from_head=True)[:count]


def _page(session: Session, group: str, stream: str, count: int, from_head: bool) -> list[str]:
    answer = _patiently(lambda: _or_nothing(session.client("logs").get_log_events, logGroupName=group, logStreamName=stream,
                                            limit=count, startFromHead=from_head))
    return [event["message"].rstrip("\n") for event in answer["events"]]


@dataclass
class Stream:
    """A stream that is read on from where the last reading ended."""

    session: Session
    group: str
    name: str
    token: str | None = None

    def read(self) -> list[str]:
        """All that was said since the last reading."""
        lines: list[str] = []
        while True:
            place = {"nextToken": self.token} if self.token else {}
            answer = _patiently(lambda place=place: _or_nothing(
                self.session.client("logs").get_log_events, logGroupName=self.group, logStreamName=self.name,
                startFromHead=True, **place))
            lines += [event["message"].rstrip("\n") for event in answer["events"]]
            token = answer.get("nextForwardToken")
            if token is None or token == self.token:  # the API answers the token that it was given when nothing is left
                return lines
            self.token = token


def search(session: Session, group: str, since: int, pattern: str = "", prefix: str = "") -> Iterator[dict[str, Any]]:
    """The events of a group since a moment (ms), page by page; an empty page is not the end.

    ``pattern`` is CloudWatch's own filter pattern. Raises what boto3 raises, except for a group that is not there.
    """
    narrowed: dict[str, Any] = {"filterPattern": pattern} if pattern else {}
    if prefix:
        narrowed["logStreamNamePrefix"] = prefix
    token: dict[str, str] = {}
    while True:
        answer = _patiently(lambda token=token: _or_nothing(
            session.client("logs").filter_log_events, logGroupName=group, startTime=since, **narrowed, **token))
        # the embedded AWS does not know the prefix
        yield from (event for event in answer["events"] if event["logStreamName"].startswith(prefix))
        if not answer.get("nextToken"):
            return
        token = {"nextToken": answer["nextToken"]}


@dataclass
class Tail:
    """Several log groups read together, again and again; no event twice.

    groups   the log groups
    since    ms since 1970, where the reading begins. Each group is then read on from what was seen of it, less LATE: events
             arrive late and out of order, and those of one group (RDS exports) minutes after another's
    pattern  CloudWatch's filter pattern
    prefix   only streams that begin so
    """

    session: Session
    groups: tuple[str, ...]
    since: int
    pattern: str = ""
    prefix: str = ""
    _since: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, dict[str, int]] = field(default_factory=dict)  # group -> event -> its time

    def read(self) -> list[Line]:
        """What is new, in the order of time."""
        new = [(event, group) for group in self.groups for event in self._new(group)]
        new.sort(key=lambda each: each[0]["timestamp"])
        return [Line(datetime.fromtimestamp(event["timestamp"] / 1000, timezone.utc), group, event["logStreamName"],
                     event["message"].rstrip("\n")) for event, group in new]

    def _new(self, group: str) -> list[dict[str, Any]]:
        since, seen = self._since.get(group, self.since), self._seen.setdefault(group, {})
        new = list(self._unseen(group, since, seen))
        if new:
            since = max(since, max(event["timestamp"] for event in new) - LATE)
            self._since[group] = since
            self._seen[group] = {id_: at for id_, at in seen.items() if at >= since}
        return new

    def _unseen(self, group: str, start: int, seen: dict[str, int]) -> Iterator[dict[str, Any]]:
        while True:
            count, latest = 0, start
            for event in search(self.session, group, start, self.pattern, self.prefix):
                count, latest = count + 1, max(latest, event["timestamp"])
                if event["eventId"] not in seen:
                    seen[event["eventId"]] = event["timestamp"]
                    yield event
            # the embedded AWS gives one page and no token: go on from where it ended
            if count < MOST_AT_ONCE or latest == start:
                return
            start = latest


def _or_nothing(call: Callable[..., dict], **arguments: Any) -> dict:
    """The answer; an empty one while the group or the stream is not there (a task has not said anything yet)."""
    try:
        return call(**arguments)
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return {"events": []}


def _patiently(call: Callable[[], dict], patience: float = PATIENCE) -> dict:
    """The answer, though AWS says for a while that it is asked too often."""
    deadline, pause = time.monotonic() + patience, 1.0
    while True:
        try:
            return call()
        except Exception as error:
            if error_code(error) not in THROTTLED or time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 10)
