"""An AWS that is too busy: it answers ThrottlingException some times, and then passes the calls on."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ThrottlingAws(ThreadingHTTPServer):
    """`refusals` calls are refused before any is passed on to `endpoint`."""

    daemon_threads = True

    def __init__(self, endpoint: str, refusals: int):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint, self.refusals, self.refused = endpoint, refusals, 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> ThrottlingAws:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refused < self.server.refusals:
            self.server.refused += 1
            return self._answer(400, json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode())
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        passed_on = urllib.request.Request(self.server.endpoint, body, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(passed_on) as answer:
                self._answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.read())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass
