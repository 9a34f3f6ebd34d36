"""HTTP, and nothing but HTTP: one GET that ends in time, with a sentence for whatever stands in its way."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .console import BadInput

LIMIT = 64 * 2**20  # bytes of one answer
BALANCER = (502, 503, 504)  # what a load balancer answers while its targets change
PATIENCE = 2.0  # seconds before such an answer is asked for again, twice
HERE = ("localhost", "127.0.0.1", "::1")


class NoAnswer(Exception):
    """No whole HTTP answer came; ``reason`` says why."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """What came back. ``kind`` is the content type without its parameters, empty when there was none."""

    status: int
    kind: str
    body: bytes


def check_url(url: str) -> str:
    """The address itself. Raises BadInput (4) for what is no address on the web."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or re.search(r"[\s\x00-\x1f\"<>]", url):
        raise BadInput(f"{url!r} is no address of a map service: it should be like https://maps.example.com/.")
    if parts.username or parts.password:
        raise BadInput("An address that holds a user or a password shows it to everybody on this machine; leave them out.")
    return url


def fetch(url: str, parameters: dict, timeout: float) -> Answer:
    """One answer, whatever its status. Raises NoAnswer. What a load balancer answers for its targets is asked again."""
    for _ in range(2):
        answer = _fetch_once(url, parameters, timeout)
        if answer.status not in BALANCER:
            return answer
        time.sleep(PATIENCE)
    return _fetch_once(url, parameters, timeout)


def _fetch_once(url: str, parameters: dict, timeout: float) -> Answer:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()])
    request = urllib.request.Request(urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, "")))
    request.add_header("User-Agent", "invoke-wms")
    deadline = time.monotonic() + timeout
    try:
        try:
            response = _opener(parts.hostname or "").open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            kind = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
            return Answer(response.status, kind, _read(response, deadline))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(_why(error, timeout)) from None


def _opener(host: str) -> urllib.request.OpenerDirector:
    """The web, and no other scheme (urllib would open files, too); what runs on this machine is behind no proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({} if host in HERE else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _read(response, deadline: float) -> bytes:
    """The body, in time: a socket's own time-out starts anew with each byte."""
    body = bytearray()
    while part := response.read1(65536):
        body += part
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(body) > LIMIT:
            raise ValueError(f"it sends more than {LIMIT // 2**20} MiB")
    return bytes(body)


def _why(error: Exception, timeout: float) -> str:
    reason = getattr(error, "reason", error)  # URLError wraps what happened
    if isinstance(reason, TimeoutError):
        return f"it said nothing more within {timeout:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted ({reason.verify_message})"
    if isinstance(reason, (ConnectionError, http.client.HTTPException)):
        return "it hung up"
    return str(getattr(reason, "strerror", None) or reason)
