"""The versions of a state: seen as they are, put back as Terraform wants it, and a lost one never taken for a new one."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest

from half_answering_aws import HalfAnsweringAws
from tasks.core import session as sessions
from tasks.core import state_bucket, state_file, state_history, state_lock
from tasks.core.console import BadInput, Refused
from tasks.core.initialise import state_object

MAIN_TF = 'terraform {\n  backend "s3" {\n    key = "small/terraform.tfstate"\n  }\n}\n'


@pytest.fixture
def session(aws, root):
    (root / "main.tf").write_text(MAIN_TF)
    state_bucket.ensure(aws)
    return aws


def state(serial: int, *names: str, lineage: str = "one") -> bytes:
    """A state with a terraform_data of each name, and a data source, which counts for nothing."""
    made = [{"mode": mode, "type": "terraform_data", "name": name, "provider": "p",
             "instances": [{"schema_version": 0, "attributes": {"id": name}}]}
            for mode, name in (*(("managed", name) for name in names), ("data", "look"))]
    return json.dumps({"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {},
                       "resources": made}).encode()


@pytest.fixture
def put(session):
    """`put(bytes)` writes a version of the state, and answers its id."""
    where = {"Bucket": session.settings.state_bucket, "Key": state_object(session.settings)}
    return lambda content: session.client("s3").put_object(**where, Body=content)["VersionId"]


@pytest.fixture
def delete(session):
    where = {"Bucket": session.settings.state_bucket, "Key": state_object(session.settings)}
    return lambda: session.client("s3").delete_object(**where)["VersionId"]


def serials(session, *count: int) -> list[int | None]:
    return [version.serial for version in state_history.versions(session, *count)]


def put_back(session, chosen, other_lineage: bool = False):
    before = state_history.present(session)
    state_history.require_restorable(session, chosen, before, other_lineage)
    return state_history.restore(session, chosen, before)


def test_without_a_state_there_is_no_history(session):
    assert state_history.versions(session) == ()


def test_half_a_state_is_asked_for_again(session, put, monkeypatch):
    monkeypatch.setattr(sessions, "PAUSES", (0, 0))
    id_ = put(state(7, "a"))
    with HalfAnsweringAws(session.endpoint, refusals=2) as aws:
        assert state_history.present(replace(session, endpoint=aws.address)).state.serial == 7
    with HalfAnsweringAws(session.endpoint, refusals=2) as aws:
        content = state_history._content(session, replace(session, endpoint=aws.address).client("s3"), id_)
        assert content == state(7, "a") and aws.refused == 2


def test_versions_come_newest_first_with_what_they_hold(session, put):
    ids = [put(state(1)), put(state(2, "a")), put(state(3, "a", "b"))]
    found = state_history.versions(session)
    assert [(one.id, one.serial, one.resources) for one in found] == [(ids[2], 3, 2), (ids[1], 2, 1), (ids[0], 1, 0)]
    assert [one.current for one in found] == [True, False, False]
    assert found[0].size == len(state(3, "a", "b")) and not any(one.deletion for one in found)
    assert serials(session, 2) == [3, 2]


def test_the_versions_of_the_lock_and_of_other_keys_are_not_the_states(session, put):
    """Their keys begin with the state's."""
    put(state(1))
    for _ in range(3):
        state_lock.release(session, state_lock.acquire(session, "apply"))
    put(state(2))
    assert serials(session) == [2, 1]


def test_a_history_longer_than_one_answer_of_s3_is_read_whole(session, put, monkeypatch):
    monkeypatch.setattr(state_history, "PAGE", 2)
    for serial in range(1, 6):
        put(state(serial))
    state_lock.acquire(session, "apply")
    assert serials(session) == [5, 4, 3, 2, 1]


def test_a_deletion_is_seen(session, put, delete):
    put(state(1, "a"))
    mark = delete()
    deleted, before = state_history.versions(session)
    assert (deleted.id, deleted.deletion, deleted.current, deleted.serial) == (mark, True, True, None)
    assert not before.current and before.serial == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 3}', b'{"version": 4}'])
def test_what_is_no_state_is_listed_without_a_serial_and_cannot_be_put_back(session, put, content):
    id_ = put(content)
    assert serials(session) == [None]
    with pytest.raises(BadInput, match="is not a state of Terraform"):
        state_history.of_version(session, id_)


def test_a_backup_is_the_state_byte_by_byte_and_its_owners_only(session, put, root):
    put(state(7, "a"))
    file = state_history.backup(session)
    assert file.read_bytes() == state(7, "a")
    assert file.parent == root / ".local" / "states" / "local" and file.name.endswith("Z-serial7.tfstate")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_without_a_state_there_is_nothing_to_back_up(session):
    assert state_history.backup(session) is None


def test_an_earlier_state_comes_back_with_a_serial_of_its_own(session, put):
    old = put(state(3, "a", "b"))
    put(state(9, "a"))
    serial, saved = put_back(session, state_history.of_version(session, old))
    present = state_file.load(session)
    assert serial == present.serial == 10 and present.addresses == {"terraform_data.a", "terraform_data.b"}
    assert saved.read_bytes() == state(9, "a")
    assert state_lock.holder(session) is None


def test_a_state_comes_back_from_a_file(session, put, tmp_path):
    file = tmp_path / "saved.tfstate"
    file.write_bytes(state(30, "a"))
    put(state(2))
    assert put_back(session, state_history.of_file(file))[0] == 31


def test_a_deleted_state_comes_back_above_all_that_it_has_ever_been(session, put, delete):
    old = put(state(3, "a"))
    put(state(12))
    delete()
    serial, saved = put_back(session, state_history.of_version(session, old))
    assert serial == 13 and saved is None
    assert state_file.load(session).addresses == {"terraform_data.a"}


def test_another_stacks_state_is_refused_while_there_is_one(session, put, delete):
    other = put(state(50, "a", lineage="two"))
    put(state(2, "b"))
    with pytest.raises(Refused, match="lineage two, not one"):
        put_back(session, state_history.of_version(session, other))
    assert serials(session) == [2, 50]
    assert put_back(session, state_history.of_version(session, other), other_lineage=True)[0] == 51
    delete()
    put_back(session, state_history.of_version(session, other))


def test_what_lies_there_and_is_no_state_may_be_replaced(session, put):
    old = put(state(3, "a"))
    put(b"{")
    serial, saved = put_back(session, state_history.of_version(session, old))
    assert serial == 4 and saved.read_bytes() == b"{" and "serial-unknown" in saved.name


def test_nothing_is_written_while_somebody_holds_the_lock(session, put):
    old = put(state(1, "a"))
    put(state(2))
    state_lock.acquire(session, "apply")
    with pytest.raises(Refused, match="holds the state's lock"):
        put_back(session, state_history.of_version(session, old))
    assert serials(session) == [2, 1] and state_lock.holder(session).operation == "OperationTypeApply"


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_over_a_state_that_was_not_shown(session, put, delete, there):
    old = put(state(1, "a"))
    if not there:
        delete()
    chosen, before = state_history.of_version(session, old), state_history.present(session)
    put(state(2, "new"))
    with pytest.raises(Refused, match="has changed since it was shown"):
        state_history.restore(session, chosen, before)
    assert state_file.load(session).serial == 2 and state_lock.holder(session) is None


def test_what_cannot_be_chosen_is_said(session, put, delete, tmp_path):
    put(state(1))
    with pytest.raises(BadInput, match="no version nonsense") as wrong:
        state_history.of_version(session, "nonsense")
    assert wrong.value.run == "invoke state.history"
    with pytest.raises(BadInput, match="is the deletion of the state"):
        state_history.of_version(session, delete())
    for file in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadInput, match="cannot be read"):
            state_history.of_file(file)


def test_a_state_that_was_deleted_with_resources_in_it_is_lost(session, put, delete):
    put(state(1))
    last = put(state(2, "a", "b"))
    delete()
    with pytest.raises(Refused, match="manages 2 resources.*a second time") as refused:
        state_history.require_not_lost(session)
    assert refused.value.run == f"invoke state.restore --version {last}"


def test_where_the_latest_version_itself_was_removed_the_one_before_is_the_state(session, put):
    put(state(1, "a"))
    session.client("s3").delete_object(Bucket=session.settings.state_bucket, Key=state_object(session.settings),
                                       VersionId=put(state(2, "a")))
    state_history.require_not_lost(session)
    assert serials(session) == [1]


@pytest.mark.parametrize("earlier", [[], [state(1)], [state(1, "a"), state(2)]], ids=["none", "empty", "destroyed"])
def test_no_state_or_an_empty_one_is_no_loss(session, put, delete, earlier):
    for content in earlier:
        put(content)
    state_history.require_not_lost(session)
    delete()
    state_history.require_not_lost(session)
