"""Images of a few hundred bytes: a program made of system calls alone, so that no base image is needed to run a step."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from engine import docker

LABEL = "made-by=tiny-images"

ENTRY = 0x400000
HEADERS = 64 + 56
ROOM = 1 << 16  # bytes that a shown file may have


def program(says: str = "", code: int = 0, shows: str = "", waits: bool = False) -> bytes:
    """A static ELF program for Linux on x86_64: writes a text, then a file's content, perhaps waits, and exits."""
    text = bytearray()
    data: list[bytes] = []
    patches: list[tuple[int, bytes]] = []

    def call(number: int) -> None:
        text.extend(b"\xb8" + struct.pack("<I", number) + b"\x0f\x05")  # mov eax, number; syscall

    def address_of(what: bytes) -> None:
        patches.append((len(text) + 3, what))
        text.extend(b"\x48\x8d\x35\0\0\0\0")  # lea rsi, [rip + …]

    if says:
        text.extend(b"\xbf\x01\0\0\0")  # mov edi, 1
        address_of(says.encode())
        text.extend(b"\xba" + struct.pack("<I", len(says.encode())))  # mov edx, length
        call(1)  # write
    if shows:
        address_of(shows.encode() + b"\0")
        text.extend(b"\x48\x89\xf7\x31\xf6\x31\xd2")  # mov rdi, rsi; xor esi, esi; xor edx, edx
        call(2)  # open
        text.extend(b"\x48\x81\xec" + struct.pack("<I", ROOM))  # sub rsp, ROOM
        text.extend(b"\x89\xc7\x48\x89\xe6\xba" + struct.pack("<I", ROOM))  # mov edi, eax; mov rsi, rsp; mov edx, ROOM
        call(0)  # read
        text.extend(b"\x89\xc2\xbf\x01\0\0\0\x48\x89\xe6")  # mov edx, eax; mov edi, 1; mov rsi, rsp
        call(1)
    if waits:
        call(34)  # pause
    text.extend(b"\xbf" + struct.pack("<I", code))
    call(60)  # exit

    for place, what in patches:
        struct.pack_into("<i", text, place, len(text) + sum(map(len, data)) - (place + 4))
        data.append(what)
    body = bytes(text) + b"".join(data)
    size = HEADERS + len(body)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, ENTRY + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, ENTRY, ENTRY, size, size, 0x1000)
    return elf + segment + body


def give(root: Path, dockerfile: str, **programs: bytes) -> Path:
    """Give the smallest project an `image/` and the versions that its tag is made of."""
    folder = root / "image"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(re.sub(r"(?m)^FROM .*$", rf"\g<0>\nLABEL {LABEL}", dockerfile))
    for name, content in programs.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755)
    file = root / "invoke.yaml"
    if "ows_version" not in file.read_text():
        file.write_text(file.read_text() + '  ows_version: "1.9.14"\n  chamber_version: "2.14.1"\n')
    return folder


def forget(slug: str) -> None:
    """Take a test's images out of the engine, under whichever registry's name."""
    listed = docker("images", "--all", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout
    named = {part for line in listed.splitlines() if slug in line for part in line.split() if "<none>" not in part}
    if named:
        docker("rmi", "--force", *sorted(named), check=False)
    # what a build that failed has left of its steps
    docker("image", "prune", "--force", "--filter", f"label={LABEL}", check=False)
