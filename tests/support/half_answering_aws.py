"""An AWS whose answers break off: the connection is closed in the middle of the body, some times, and then it is whole.

No network here loses answers on demand, so a server does it; what it answers at last is the embedded AWS's own.
"""

from __future__ import annotations

import urllib.request
from http.server import BaseHTTPRequestHandler

from throttling_aws import ThrottlingAws


class HalfAnsweringAws(ThrottlingAws):
    """`refusals` answers break off before any comes whole from `endpoint`."""

    def __init__(self, endpoint: str, refusals: int):
        super().__init__(endpoint, refusals)
        self.RequestHandlerClass = _Handler


class _Handler(BaseHTTPRequestHandler):
    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        asked = urllib.request.Request(self.server.endpoint + self.path, body, headers, method=self.command)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked) as answer:
            content, status, kept = answer.read(), answer.status, answer.headers
        half = self.server.refused < self.server.refusals
        self.server.refused += half
        self.send_response(status)
        self.send_header("Content-Type", kept.get("Content-Type", "text/xml"))
        if "ETag" in kept:  # of an object
            self.send_header("ETag", kept["ETag"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_HEAD = _pass_on

    def log_message(self, *_) -> None:
        pass
