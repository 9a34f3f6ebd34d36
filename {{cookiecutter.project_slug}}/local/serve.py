"""The embedded AWS: MiniStack with its mends, on one address, with an account that survives any stop.

Started by `invoke local.up`, in the environment that requirements.txt describes. Who started it meets it at its home
folder (`lock`, held while it runs; `server.json`, where it is) and at the path `/_local` of its address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import importlib.metadata
import os
import re
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import docker_engine as engine
import mends
from account import Unusable

HERE = Path(__file__).resolve().parent
ALREADY_SERVED, UNUSABLE = 3, 4  # exit codes

# MiniStack reads these when it is imported. It keeps no files (account.py saves the account), opens no second port, and
# writes no parameter into its log.
SETTINGS = {
    "PERSIST_STATE": "0",
    "S3_PERSIST": "0",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "MINISTACK_ACCOUNT_ID": "000000000000",
    "LOG_LEVEL": "WARNING",
}
NO_ENGINE = "unix:///nonexistent/docker.sock"  # MiniStack looks for one by itself, and would run what is to be recorded
DATABASE_PORTS = range(15432, 19432)  # a home's first one comes from its label, so that two projects want two


def main() -> int:
    arguments = _arguments()
    if arguments.list_mends:
        for mend in mends.registered():
            print(f"{mend.name}{' (containers)' if mend.containers else ''}: {mend.without}")
        return 0
    wanted, found = pinned_version(), installed_version()
    if found != wanted:
        return _refuse(f"The embedded AWS needs MiniStack {wanted}, found {found}: its mends fit no other version.")
    home = arguments.home.resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    lock = _locked(home / "lock")
    if lock is None:
        print(f"Another server serves the account in {home}.", file=sys.stderr)
        return ALREADY_SERVED
    if arguments.clear:
        _use_engine(home, arguments, port=0)
        engine.clear() if arguments.clear == "all" else engine.sweep()
        return 0
    (home / "server.json").unlink(missing_ok=True)  # of an earlier server; this one's follows
    listeners = _listen([arguments.address, *([arguments.bridge] if arguments.engine else [])], arguments.port)
    port = listeners[0].getsockname()[1]
    _raise_file_limit()
    _use_engine(home, arguments, port)
    try:
        mends.apply(without=arguments.without_mend, containers=engine.here is not None)
        from server import Server  # imports MiniStack, so only now

        server = Server(home, listeners, wanted, arguments.records_because)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())  # until the loop hears them itself
        if engine.here:
            engine.sweep()  # what a server left that was killed
        server.restore()
    except (Unusable, mends.Unknown) as refused:
        return _refuse(str(refused))
    asyncio.run(server.serve(save_every=arguments.save_every))
    return 0


def _use_engine(home: Path, arguments: argparse.Namespace, port: int) -> None:
    """Tell MiniStack where the engine is, if containers are to run, and which of its ports are ours."""
    os.environ.update(SETTINGS, GATEWAY_PORT=str(port), DOCKER_HOST=arguments.engine or NO_ENGINE)
    if not arguments.engine:
        return
    engine.here = engine.Engine(arguments.engine, arguments.bridge, port, engine.instance_of(home))
    os.environ["RDS_BASE_PORT"] = str(DATABASE_PORTS[int(engine.here.instance, 16) % len(DATABASE_PORTS)])


def pinned_version() -> str:
    """The version in requirements.txt, the only one that the mends were written for."""
    return re.search(r"^ministack==(\S+)$", (HERE / "requirements.txt").read_text(), re.MULTILINE)[1]


def installed_version() -> str:
    try:
        return importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".local/aws"), help="where account, lock and record are")
    parser.add_argument("--address", default="127.0.0.1", help="the address to serve on")
    parser.add_argument("--port", type=int, default=0, help="the port that is liked best; a free one is taken otherwise")
    parser.add_argument("--save-every", type=float, default=3, metavar="SECONDS")
    parser.add_argument("--without-mend", action="append", default=[], metavar="NAME", help="for tests of the mends")
    parser.add_argument("--list-mends", action="store_true")
    parser.add_argument("--engine", metavar="SOCKET", help="the Docker engine; without it what would run is recorded")
    parser.add_argument("--bridge", metavar="ADDRESS", help="with --engine: serve there as well, for the containers")
    parser.add_argument("--records-because", metavar="REASON", help="without --engine: why, for who asks")
    parser.add_argument("--clear", choices=("containers", "all"), help="do not serve: remove what it has in the engine")
    return parser.parse_args()


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return UNUSABLE


def _locked(file: Path) -> int | None:
    """The lock, held until this process ends, however it ends; None when another process holds it."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    for pause in (0, 0.05, 0.2):  # who only looks whether it is held holds it for an instant
        time.sleep(pause)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except OSError:
            continue
    os.close(handle)
    return None


def _listen(addresses: list[str], port: int) -> list[socket.socket]:
    """Sockets that listen on all the addresses at one port: this one, or a free one when somebody else has it."""
    for choice in (port, 0, 0, 0):  # what is free on one address may be taken on the other
        listeners: list[socket.socket] = []
        try:
            for address in addresses:
                listeners.append(_bound(address, listeners[0].getsockname()[1] if listeners else choice))
            return listeners
        except OSError:
            for each in listeners:
                each.close()
    raise SystemExit(f"No port is free on {' and '.join(addresses)}.")


def _bound(address: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError when somebody else has the port."""
    if _somebody_listens(address, port):
        raise OSError(f"{address}:{port} is taken")
    with contextlib.ExitStack() as unless_it_listens:
        listener = unless_it_listens.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        listener.bind((address, port))
        listener.listen()  # at once: until somebody listens, the system gives one port to many
        unless_it_listens.pop_all()
    return listener


def _somebody_listens(address: str, port: int) -> bool:
    """Whether the port is answered. macOS would give it to us all the same, beside a server on all addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return port != 0 and probe.connect_ex((address, port)) == 0


def _raise_file_limit() -> None:
    """As many connections as the system allows: macOS begins with 256 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
