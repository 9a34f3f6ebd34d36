"""MiniStack's HTTP application with the saving around it, and the path `/_local` that says which server this is."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import docker_engine as engine
import mends
import stores
from account import Account, Unusable
from hypercorn.asyncio import serve as serve_http
from hypercorn.config import Config
from ministack import app as ministack
from ministack.core import persistence

log = logging.getLogger("local")

IDLE = 3600  # seconds; every SDK lets go of an idle connection long before
QUIET_AFTER = 60  # seconds without a request after which the account is taken to be at rest


class Server:
    """One account, served on one port.

    home       holds ``account/``, ``server.json`` and ``lock``
    listeners  bound sockets; the first one is its people's, a second one its containers'
    version    MiniStack's
    reason     why containers do not run; None when they do
    """

    def __init__(self, home: Path, listeners: list[socket.socket], version: str, reason: str | None = None):
        address, port = listeners[0].getsockname()
        self.home, self.listeners, self.version, self.reason = home, listeners, version, reason
        self.account = Account(home / "account", version, persistence._json_default, persistence._json_object_hook)
        self.restored_at: str | None = None
        self.warning: str | None = None  # what was wrong with the saved account
        self.failure: str | None = None  # why it cannot be saved now
        self.record = {
            "home": str(home),
            "pid": os.getpid(),
            "endpoint": f"http://{address}:{port}",
            "port": port,
            "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        self._stop = asyncio.Event()
        self._saving = asyncio.Lock()
        self._last_request = time.monotonic()
        self._write_record()

    def stop(self) -> None:
        """End in order: nothing is started any more, the account is saved, containers are stopped."""
        engine.closing.set()
        self._stop.set()

    def restore(self) -> None:
        """Put the saved account into MiniStack. Raises account.Unusable."""
        found = self.account.load()
        try:
            stores.put(found.states)
        except Exception as error:
            raise Unusable(f"MiniStack cannot take the saved account back ({error!r}). "
                           "Begin with an empty one: invoke local.reset") from error
        self.restored_at, self.warning = found.saved_at, found.warning
        if found.warning:
            log.warning(found.warning)

    async def serve(self, save_every: float) -> None:
        """Serve until SIGTERM or SIGINT, then save and return."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        config = Config()
        config.bind = [f"fd://{each.detach()}" for each in self.listeners]
        # One request a connection, and an idle one is the client's to close: Hypercorn would do so after five seconds, also
        # when a request is just being read, and its answer would be lost.
        config.keep_alive_max_requests = 0
        config.keep_alive_timeout = IDLE
        config.graceful_timeout = 1
        config.loglevel = "WARNING"
        saver = asyncio.create_task(self._save_regularly(save_every))
        engine.ready.set()
        await serve_http(self, config, shutdown_trigger=self._stop.wait)
        saver.cancel()
        await self.save()
        if engine.here and not self._is_mine():
            await asyncio.to_thread(engine.clear)  # nobody can ever come back to these volumes

    async def __call__(self, scope, receive, send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            if scope["path"].startswith("/_local"):
                await self._answer(scope, send)
                return
            self._last_request = time.monotonic()
        await ministack.app(scope, receive, send)

    async def save(self) -> None:
        """Save the account if it changed. A failure is kept for `/_local` and tried again by the next save."""
        async with self._saving:
            try:
                snapshot = self.account.encode(stores.take())  # in the loop, so between two requests
                await asyncio.to_thread(self.account.write, snapshot)
                self.failure = None
            except Exception as error:
                if not self.failure:
                    log.exception("the account cannot be saved")
                self.failure = f"The account cannot be saved: {error!r}"

    async def _save_regularly(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            if not self._is_mine():
                log.error("the home folder was deleted or taken over; stopping")
                self.stop()
                return
            self._write_record()
            if time.monotonic() - self._last_request < QUIET_AFTER + every:
                await self.save()

    async def _answer(self, scope, send) -> None:
        """GET /_local: which server this is; POST /_local/save: save now."""
        if (scope["method"], scope["path"]) == ("POST", "/_local/save"):
            await self.save()
        said = {**self._describe(), "running_containers": await asyncio.to_thread(_count_containers)}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    def _describe(self) -> dict[str, Any]:
        return {
            **self.record,
            "containers": engine.here is not None,
            "reason": self.reason,
            "ministack": self.version,
            "mends": mends.applied(),
            "restored_at": self.restored_at,
            "saved_at": self.account.saved_at,
            "warning": self.failure or self.warning,
        }

    def _write_record(self) -> None:
        """Say where this server is, and say it again if the file was damaged."""
        file, text = self.home / "server.json", json.dumps(self.record)
        if file.exists() and file.read_text(errors="replace") == text:
            return
        aside = file.with_suffix(".tmp")
        aside.write_text(text)
        aside.chmod(0o600)
        os.replace(aside, file)

    def _is_mine(self) -> bool:
        return (self.home / "lock").exists() and self.account.folder.exists()


def _count_containers() -> int | None:
    """How many containers run; None when the engine does not say."""
    try:
        return engine.running() if engine.here else 0
    except Exception:
        log.exception("the Docker engine does not answer")
        return None
