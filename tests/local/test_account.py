"""The saved account on the disk: whole or not at all, whatever happens to its files."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from tasks.core import embedded_aws

VERSION = "1.5.33"
LONG = b"x" * 10_000


def _module():
    spec = importlib.util.spec_from_file_location("embedded_account", embedded_aws.PROGRAM.with_name("account.py"))
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


account = _module()


def _opened(folder: Path, version: str = VERSION):
    return account.Account(folder, version, default=lambda value: {"__bytes__": value.decode()},
                           hook=lambda found: found["__bytes__"].encode() if "__bytes__" in found else found)


def _saved(folder: Path, *states: dict):
    opened = _opened(folder)
    opened.load()
    for each in states:
        assert opened.write(opened.encode(each))
    return opened


def _snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _newest_value(snapshot: Path) -> Path:
    return next(value for value in (snapshot.parent / "values").iterdir() if value.stat().st_size > len(LONG))


def test_what_was_saved_comes_back_with_its_moment(tmp_path):
    opened = _saved(tmp_path, {"s3": {"long": LONG, "short": b"y"}})
    found = _opened(tmp_path).load()
    assert found.states == {"s3": {"long": LONG, "short": b"y"}}
    assert found.saved_at == opened.saved_at
    assert found.warning is None


def test_an_empty_folder_is_a_new_account(tmp_path):
    assert _opened(tmp_path / "new").load() == account.Restored({})


def test_nothing_is_written_when_nothing_changed(tmp_path):
    opened = _saved(tmp_path, {"a": 1})
    assert not opened.write(opened.encode({"a": 1}))
    again = _opened(tmp_path)
    again.load()
    assert not again.write(again.encode({"a": 1}))


def test_two_snapshots_are_kept_and_no_value_that_neither_needs(tmp_path):
    _saved(tmp_path, {"a": LONG}, {"a": LONG + b"2"}, {"a": LONG + b"3"})
    assert [file.name for file in _snapshots(tmp_path)] == ["00000002.json", "00000003.json"]
    assert len(list((tmp_path / "values").iterdir())) == 2


def test_only_the_owner_can_read_it(tmp_path):
    _saved(tmp_path / "account", {"a": LONG})
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "account").rglob("*") if file.is_file()}
    assert modes == {0o600}
    assert {(tmp_path / "account" / part).stat().st_mode & 0o777 for part in (".", "values")} == {0o700}


@pytest.mark.parametrize("damage", [
    lambda file: file.write_bytes(file.read_bytes()[:-5]),
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"\0" * file.stat().st_size),
    lambda file: file.write_bytes(file.read_bytes().replace(b'"new"', b'"odd"')),
    lambda file: _newest_value(file).unlink(),
    lambda file: _newest_value(file).write_bytes(b""),
], ids=["cut", "empty", "zeros", "altered", "value lost", "value emptied"])
def test_a_torn_snapshot_gives_way_to_the_one_before_and_says_so(tmp_path, damage):
    _saved(tmp_path, {"is": "old", "value": LONG}, {"is": "new", "value": LONG + b"!"})
    damage(_snapshots(tmp_path)[-1])
    opened = _opened(tmp_path)
    found = opened.load()
    assert found.states == {"is": "old", "value": LONG}
    assert "torn" in found.warning
    assert opened.write(opened.encode({"is": "new", "value": LONG + b"!"}))
    assert _opened(tmp_path).load().states["value"] == LONG + b"!"


def test_an_account_without_a_whole_snapshot_is_refused_and_not_taken_for_empty(tmp_path):
    _saved(tmp_path, {"is": "old"}, {"is": "new"})
    for file in _snapshots(tmp_path):
        file.write_bytes(b"")
    with pytest.raises(account.Unusable, match="local.reset"):
        _opened(tmp_path).load()


def test_an_account_of_another_version_is_refused(tmp_path):
    _saved(tmp_path, {"is": "old"})
    with pytest.raises(account.Unusable, match=r"saved by MiniStack 1\.5\.33, this is 9\.9"):
        _opened(tmp_path, "9.9").load()


@pytest.mark.parametrize("step", range(6))
def test_a_save_that_dies_at_any_step_leaves_the_last_one_whole(tmp_path, monkeypatch, step):
    opened = _saved(tmp_path, {"is": "old", "value": LONG})
    calls = iter(range(100))

    def dies(real):
        def call(*arguments):
            if next(calls) == step:
                raise KeyboardInterrupt
            return real(*arguments)
        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, dies(getattr(os, name)))
    with contextlib.suppress(KeyboardInterrupt):
        opened.write(opened.encode({"is": "new", "value": LONG + b"!"}))
    monkeypatch.undo()
    found = _opened(tmp_path).load()
    assert (found.states["is"], found.states["value"]) in (("old", LONG), ("new", LONG + b"!"))
    assert found.warning is None


def test_the_header_says_which_version_saved_it(tmp_path):
    _saved(tmp_path, {"a": 1})
    header = json.loads(_snapshots(tmp_path)[0].read_bytes().splitlines()[0])
    assert header["ministack"] == VERSION
