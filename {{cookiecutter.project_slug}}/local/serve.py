"""The embedded AWS: MiniStack with its mends, on one address, with an account that survives any stop.

Started by `invoke local.up`, in the environment that requirements.txt describes. Who started it meets it at its home
folder (`lock`, held while it runs; `server.json`, where it is) and at the path `/_local` of its address.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import importlib.metadata
import os
import re
import resource
import socket
import sys
import time
from pathlib import Path

import mends
from account import Unusable

HERE = Path(__file__).resolve().parent
ALREADY_SERVED, UNUSABLE = 3, 4  # exit codes

# MiniStack reads these when it is imported. It keeps no files (account.py saves the account), opens no second port,
# finds no Docker engine, and writes no parameter into its log.
SETTINGS = {
    "PERSIST_STATE": "0",
    "S3_PERSIST": "0",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    "MINISTACK_ACCOUNT_ID": "000000000000",
    "LOG_LEVEL": "WARNING",
}


def main() -> int:
    arguments = _arguments()
    if arguments.list_mends:
        for mend in mends.registered():
            print(f"{mend.name}: {mend.without}")
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
    (home / "server.json").unlink(missing_ok=True)  # of an earlier server; this one's follows
    listener = _listen(arguments.address, arguments.port)
    _raise_file_limit()
    os.environ.update(SETTINGS, GATEWAY_PORT=str(listener.getsockname()[1]))
    try:
        mends.apply(without=arguments.without_mend)
        from server import Server  # imports MiniStack, so only now

        server = Server(home, listener, wanted)
        server.restore()
    except (Unusable, mends.Unknown) as refused:
        return _refuse(str(refused))
    asyncio.run(server.serve(save_every=arguments.save_every))
    return 0


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
    parser.add_argument("--address", default="127.0.0.1", help="the one address to serve on")
    parser.add_argument("--port", type=int, default=0, help="the port that is liked best; a free one is taken otherwise")
    parser.add_argument("--save-every", type=float, default=3, metavar="SECONDS")
    parser.add_argument("--without-mend", action="append", default=[], metavar="NAME", help="for tests of the mends")
    parser.add_argument("--list-mends", action="store_true")
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


def _listen(address: str, port: int) -> socket.socket:
    """A socket that listens on the port, or on a free one when somebody else has it."""
    for choice in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            if not _somebody_listens(address, choice):
                listener.bind((address, choice))
                listener.listen()  # at once: until somebody listens, the system gives one port to many
                return listener
        except OSError:
            pass
        listener.close()
    raise SystemExit(f"No port is free on {address}.")


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
