"""A proxy before the embedded AWS that notes which service and operation each request asks for.

Terraform's provider (Go) and the tasks (boto3) are recorded alike: the service stands in the signature's scope, the
operation in a header, in the form, or in method and path, which botocore's model of the service tells apart.
"""

from __future__ import annotations

import functools
import re
import threading
from collections import defaultdict
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

MODELS = {"elasticfilesystem": "efs"}  # a signature's name of a service -> botocore's, where they differ
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class RecordingAws(ThreadingHTTPServer):
    """Passes requests on to an endpoint; ``calls`` is role -> service -> operations, for the role that is set just now."""

    daemon_threads = True
    request_queue_size = 128  # Terraform opens many connections at once

    def __init__(self, endpoint: str, port: int = 0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.target = urlsplit(endpoint).netloc
        self.role = ""
        self.calls: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.unknown: set[str] = set()  # requests that no model knows: the record would not be whole
        self._one_at_a_time = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> RecordingAws:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()

    def passed_on(self, method: str, address: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """The headers with which a request goes on."""
        return headers

    def note(self, method: str, address: str, headers, body: bytes) -> None:
        _, service = scope_of(headers)
        if not service:
            return
        found = operation(service, method, address, headers, body)
        with self._one_at_a_time:
            if found:
                self.calls[self.role][service].add(found)
            else:
                self.unknown.add(f"{service} {method} {address}")


def scope_of(headers) -> tuple[str, str]:
    """Region and service that a request is signed for; empty for one that is not signed."""
    found = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request", headers.get("Authorization") or "")
    return (found[1], found[2]) if found else ("", "")


def operation(service: str, method: str, address: str, headers, body: bytes) -> str:
    """The API operation of a request; empty when it cannot be told."""
    target = headers.get("X-Amz-Target")
    if target:
        return target.rpartition(".")[2]
    parts = urlsplit(address)
    form = parse_qs(body.decode("latin-1")) if "form-urlencoded" in (headers.get("Content-Type") or "") else {}
    query = {**parse_qs(parts.query, keep_blank_values=True), **form}
    if "Action" in query:
        return query["Action"][0]
    if "/operation/" in parts.path:  # RPC v2
        return parts.path.rpartition("/")[2]
    fitting = [(rank, name) for name, verb, path, keys, rank in _routes(MODELS.get(service, service))
               if verb == method and path.fullmatch(unquote(parts.path)) and keys <= query.keys()
               and ("CopyObject" in name) == ("x-amz-copy-source" in headers)]
    # of two that fit alike the plainer one: ListBuckets, and not ListDirectoryBuckets, which another service signs
    return max(fitting, key=lambda each: (each[0], -len(each[1])))[1] if fitting else ""


@functools.cache
def _routes(service: str) -> list[tuple[str, str, re.Pattern, frozenset[str], tuple]]:
    """Operation, method, path and the query's names that it wants, and how exactly that describes a request."""
    from botocore.session import Session

    model = Session().get_service_model(service)
    return [_route(name, model.operation_model(name).http, model.operation_model(name).input_shape)
            for name in model.operation_names if not model.operation_model(name).deprecated]


def _route(name: str, http: dict, shape) -> tuple[str, str, re.Pattern, frozenset[str], tuple]:
    uri, _, query = http["requestUri"].partition("?")
    if shape and "Bucket" in shape.members and "{Bucket}" not in uri:
        uri = "/{Bucket}" + uri.rstrip("/")  # newer models leave it to the endpoint's rules
    path = re.sub(r"\\{\w+\\\+\\}", ".+", re.escape(uri))
    path = re.sub(r"\\{\w+\\}", "[^/]+", path)
    keys = {part.partition("=")[0] for part in query.split("&") if part}
    keys |= {member.serialization["name"] for key, member in (shape.members.items() if shape else ())
             if key in shape.required_members and member.serialization.get("location") == "querystring"}
    return name, http["method"], re.compile(path + "/?"), frozenset(keys), (len(keys), len(re.sub(r"\{.*?\}", "", uri)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection a request, as the embedded AWS wants it

    def _pass_on(self) -> None:
        body = self._body()
        self.server.note(self.command, self.path, self.headers, body)
        connection = HTTPConnection(self.server.target, timeout=120)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        for name, value in self.server.passed_on(self.command, self.path, headers, body).items():
            connection.putheader(name, value)
        connection.putheader("X-Forwarded-Proto", "https")  # it stands where TLS would end: the state's bucket insists on it
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP or (self.command == "HEAD" and name.lower() == "content-length"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, *_) -> None:
        """Nothing: the record is the log."""
