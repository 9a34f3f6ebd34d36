"""Encrypted files: what goes in comes out, with the passphrase and unchanged, or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from tasks.core import backup
from tasks.core.console import BadInput, Refused

TEXT = '{"k":"canary-3c\u20ac\U0001f600"}\n'
PASSPHRASE = "correct horse"


def test_a_backup_comes_back_and_holds_nothing_in_plain_text():
    sealed = backup.encrypt(TEXT, PASSPHRASE)
    assert backup.is_encrypted(sealed, "f") and b"canary" not in sealed
    assert sealed.startswith(b"chamber-backup 1 ")
    assert backup.decrypt(sealed, PASSPHRASE, "f") == TEXT
    assert backup.encrypt(TEXT, PASSPHRASE) != sealed


def test_another_passphrase_or_a_changed_byte_opens_nothing(monkeypatch):
    monkeypatch.setitem(backup.SCRYPT, "n", 2**10)  # here it need not be slow to guess
    sealed = backup.encrypt(TEXT, PASSPHRASE)
    changed = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1:]
               for place in (len(backup.HEADER), len(backup.HEADER) + backup.SALT, -1)]
    for content, passphrase in [(sealed, "wrong"), *((each, PASSPHRASE) for each in changed),
                                (sealed[:-1], PASSPHRASE), (backup.HEADER, PASSPHRASE)]:
        with pytest.raises(BadInput, match="f cannot be decrypted"):
            backup.decrypt(content, passphrase, "f")


def test_a_backup_of_another_version_is_not_taken_for_json():
    assert not backup.is_encrypted(b"{}", "f")
    with pytest.raises(BadInput, match="f is a backup of another version"):
        backup.is_encrypted(b"chamber-backup 2 x\n", "f")


def test_a_file_is_its_owners_alone_and_none_is_written_over(tmp_path):
    file = tmp_path / "f.json"
    before = os.umask(0)
    try:
        backup.save(file, b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(Refused, match="is there already"):
        backup.save(file, b"y")
    assert file.read_bytes() == b"x" and list(tmp_path.iterdir()) == [file]
