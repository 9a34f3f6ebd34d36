"""An encrypted file of secrets: scrypt makes the key of a passphrase, AES-256-GCM encrypts and seals."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .console import BadInput, Refused

HEADER = b"chamber-backup 1 scrypt-n17-r8-p1 aes-256-gcm\n"
SALT, NONCE = 16, 12
SCRYPT = {"n": 2**17, "r": 8, "p": 1, "maxmem": 2**28, "dklen": 32}  # 128 MiB and half a second for each guess


def encrypt(text: str, passphrase: str) -> bytes:
    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    return HEADER + salt + nonce + _cipher(passphrase, salt).encrypt(nonce, text.encode(), HEADER)


def decrypt(content: bytes, passphrase: str, source: str) -> str:
    """Raises BadInput when the passphrase is another one or a byte of the file has changed."""
    from cryptography.exceptions import InvalidTag

    sealed = content[len(HEADER):]
    salt, nonce, rest = sealed[:SALT], sealed[SALT:SALT + NONCE], sealed[SALT + NONCE:]
    try:
        return _cipher(passphrase, salt).decrypt(nonce, rest, HEADER).decode()
    except (InvalidTag, ValueError):  # ValueError: cut off before the seal
        raise BadInput(f"{source} cannot be decrypted: the passphrase is another one, or the file is damaged.") from None


def is_encrypted(content: bytes, source: str) -> bool:
    """Raises BadInput for a backup of a version that this code does not know."""
    if content.startswith(b"chamber-backup ") and not content.startswith(HEADER):
        line = content[:100].split(b"\n")[0].decode(errors="replace")
        raise BadInput(f"{source} is a backup of another version ({line}); this one reads {HEADER.decode().strip()}.")
    return content.startswith(HEADER)


def save(file: Path, content: bytes) -> None:
    """A new file that only its owner may read, whole or not at all. Raises Refused (3) when it is there already."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(content)
        os.link(draft, file)  # unlike a rename, never over another file
    except FileExistsError:
        raise Refused(f"{file} is there already; nothing was written over it.") from None
    finally:
        draft.unlink()


def _cipher(passphrase: str, salt: bytes):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(hashlib.scrypt(passphrase.encode(), salt=salt, **SCRYPT))
