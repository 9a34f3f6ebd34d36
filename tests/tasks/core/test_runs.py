"""Long Terraform runs: what they write, who may stop them, and that nothing which happens to a task harms them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core import processes, runs, terraform
from tasks.core.console import Failed, Interrupted, Refused


def ignore(event: dict) -> None:
    pass


def lock_file(root: Path) -> Path:
    return root / "terraform.tfstate.d" / "local" / ".terraform.tfstate.lock.info"


def types(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


def record(run: runs.Run, **changes) -> None:
    file = run.folder / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def python(settings, *statements: str) -> runs.Run:
    """A supervised run of any program: the supervisor does not care that it is not Terraform."""
    return runs.start(settings, "apply", [sys.executable, "-c", "\n".join(statements)], dict(os.environ))


def test_a_run_is_followed_to_its_end_with_every_event(held, gate, local):
    stack, plan = held
    run, seen, ticks = stack.apply(plan, "canary-5f1d0c"), [], []
    gate.wait_until_reached()
    assert run.running and run.code is None
    gate.open()
    assert runs.follow(run, seen.append, lambda: ticks.append(1)) == 0
    assert seen == run.events()
    assert types(seen)[0] == "version" and types(seen)[-2:] == ["change_summary", "outputs"]
    assert [event["hook"]["resource"]["addr"] for event in seen if event["type"] == "apply_complete"] == [
        "terraform_data.first", "data.terraform_remote_state.gate", "terraform_data.last",
    ]
    assert ticks, "Nobody was told that it still goes on."
    assert not run.running and run.code == 0 and run.reported
    assert runs.find(local) == run


def test_killing_the_task_leaves_terraform_running_and_another_process_follows_it_to_its_end(held, gate, local, task):
    stack, plan = held
    first = task("apply", plan)
    gate.wait_until_reached()
    first.signal(signal.SIGKILL)
    assert first.end()[0] == -signal.SIGKILL
    run = runs.find(local)
    assert run.running and lock_file(local.root).exists()

    second = task("follow")
    gate.open()
    code, said = second.end()
    assert code == 0
    assert "[1/2] terraform_data.first created" in said and "[2/2] terraform_data.last created" in said
    assert stack.addresses() == ["data.terraform_remote_state.gate", "terraform_data.first", "terraform_data.last"]
    assert not lock_file(local.root).exists()
    assert not run.running and run.code == 0 and run.reported


def test_a_closed_terminal_costs_nothing(held, gate, local, task):
    _, plan = held
    first = task("apply", plan, start_new_session=True)
    gate.wait_until_reached()
    os.killpg(first.process.pid, signal.SIGHUP)
    assert first.end()[0] == -signal.SIGHUP
    run = runs.find(local)
    os.kill(run.supervisor, signal.SIGHUP)
    assert run.running
    gate.open()
    assert runs.follow(run, ignore) == 0


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_stops_terraform_gracefully(held, gate, local, task, wait, number, expected):
    stack, plan = held
    started = task("apply", plan)
    gate.wait_until_reached()
    started.signal(number)
    wait(lambda: any("Stopping operation" in event["@message"] for event in runs.find(local).events()))
    gate.open()
    code, said = started.end()
    assert code == expected
    assert "Stopping: Terraform finishes what is in flight" in said
    assert "Stopped after 1 finished changes; the state is saved." in said
    assert "Traceback" not in said
    assert "terraform_data.first" in stack.addresses() and "terraform_data.last" not in stack.addresses()
    assert not lock_file(local.root).exists()
    assert runs.find(local).reported


def test_a_second_signal_leaves_it_running_and_no_later_one_makes_terraform_drop_its_state(held, gate, local, task, wait):
    stack, plan = held
    first = task("apply", plan)
    gate.wait_until_reached()
    first.signal(signal.SIGINT)
    run = runs.find(local)
    wait(lambda: any("Stopping operation" in event["@message"] for event in run.events()))
    first.signal(signal.SIGINT)
    code, said = first.end()
    assert code == 130
    assert f"Left apply running (process {run.pid}); this follows it: invoke deploy" in said
    assert run.running and not run.reported

    second = task("follow")
    wait(lambda: second.process.poll() is None)
    os.kill(run.supervisor, signal.SIGTERM)  # a third and a fourth request to stop
    run.stop()
    gate.open()
    code, said = second.end()
    assert code == 1 and "execution halted" in said
    assert not any("Two interrupts" in event["@message"] for event in run.events())
    assert "terraform_data.first" in stack.addresses()
    assert not lock_file(local.root).exists()


def test_ctrl_c_while_a_run_is_being_started_stops_that_run(held, gate, local, monkeypatch):
    stack, plan = held
    begun = runs._start

    def interrupted(*arguments):
        run = begun(*arguments)
        gate.wait_until_reached()
        os.kill(os.getpid(), signal.SIGINT)
        gate.open()
        return run

    monkeypatch.setattr(runs, "_start", interrupted)
    with pytest.raises(Interrupted):
        stack.apply(plan, "canary-5f1d0c")
    assert not runs.find(local).running
    assert not lock_file(local.root).exists()


@pytest.mark.parametrize(("answer", "expected"), [("left alone", 0), ("stopped", 1)])
def test_killing_the_supervisor_does_not_end_the_run_and_the_events_tell_its_outcome(
    held, gate, local, wait, answer, expected
):
    stack, plan = held
    run = stack.apply(plan, "canary-5f1d0c")
    gate.wait_until_reached()
    os.kill(run.supervisor, signal.SIGKILL)
    wait(lambda: not processes.alive(run.supervisor, run.supervisor_start_time))
    assert run.running
    with pytest.raises(Refused):
        stack.apply(plan, "canary-5f1d0c")
    if answer == "stopped":
        run.stop()
        wait(lambda: any("Stopping operation" in event["@message"] for event in run.events()))
        run.stop()
    gate.open()
    assert runs.follow(run, ignore) == expected
    assert not any("Two interrupts" in event["@message"] for event in run.events())
    assert run.code is None and not run.running


def test_one_workspace_has_one_run_at_a_time(held, gate, local):
    stack, plan = held
    run = stack.apply(plan, "canary-5f1d0c")
    gate.wait_until_reached()
    for start in (lambda: stack.apply(plan, "canary-5f1d0c"), lambda: stack.plan(plan, {"db_password_version": 1})):
        with pytest.raises(Refused, match="Another run of workspace local is going on") as refused:
            start()
        assert refused.value.run == "invoke apply"
    assert runs.find(local) == run, "The refused one has touched the record of the other."

    other = python(replace(local, workspace="dev"), "pass")
    assert runs.follow(other, ignore) == 0
    gate.open()
    assert runs.follow(run, ignore) == 0


def test_of_two_that_start_at_the_same_moment_one_is_refused(local):
    folder = local.local_dir / "runs" / "local"
    folder.mkdir(parents=True)
    with open(folder / "lock", "w") as other:  # another task, which has not yet written its record
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="Another run of workspace local is going on"):
            python(local, "pass")
    assert runs.follow(python(local, "pass"), ignore) == 0


@pytest.mark.parametrize("change", [
    {"start_time": "another-1"},  # the process id belongs to another process by now
    {"start_time": "00000000-1"},  # the machine was started anew
    {"pid": 2**22 + 1},
])
def test_a_record_of_a_process_that_is_gone_is_not_a_run(local, change):
    run = python(local, "import time; time.sleep(60)")
    try:
        assert runs.find(local).running
        record(run, **{"supervisor": os.getpid(), "supervisor_start_time": "another-1", **change})
        assert not runs.find(local).running
    finally:
        os.kill(run.pid, signal.SIGKILL)
        os.kill(run.supervisor, signal.SIGKILL)


@pytest.mark.parametrize("content", ["", '{"kind": "apply", "pi', "[]", "null", "{}", '{"kind": "apply"}', "\x00\x00"])
def test_a_half_written_record_is_no_run_and_the_next_one_starts(local, content):
    run = python(local, "pass")
    runs.follow(run, ignore)
    (run.folder / "run.json").write_text(content)
    assert runs.find(local) is None
    runs.follow(python(local, "pass"), ignore)
    assert runs.find(local).kind == "apply"


def test_the_pid_of_a_process_that_nobody_has_waited_for_counts_as_gone():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = processes.start_time(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.alive(child.pid, started)
    child.wait()


def test_only_the_owner_can_read_what_a_run_writes(held, gate, local):
    stack, plan = held
    old = os.umask(0)
    try:
        run = stack.apply(plan, "canary-5f1d0c")
        gate.open()
        runs.follow(run, ignore)
    finally:
        os.umask(old)
    assert {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in run.folder.iterdir()} == dict.fromkeys(
        ("errors.txt", "events.jsonl", "exit.json", "lock", "reported", "run.json", "supervisor.txt"), "0o600")
    assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Needs /proc to look into other processes.")
def test_the_password_reaches_terraform_and_nothing_else(held, gate, local, canary):
    stack, plan = held
    run = stack.apply(plan, canary)
    gate.wait_until_reached()  # the provisioner before it has compared the password
    assert canary.encode() in Path(f"/proc/{run.pid}/environ").read_bytes()
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]
    assert not any(canary.encode() in line for line in lines if b"a_task.py" not in line)
    gate.open()
    assert runs.follow(run, ignore) == 0
    written = [file for file in local.root.rglob("*") if file.is_file() and file.name != "main.tf"]
    assert run.folder / "events.jsonl" in written and lock_file(local.root).with_name("terraform.tfstate") in written
    assert not [file for file in written if canary.encode() in file.read_bytes()]


def test_a_program_that_is_missing_is_a_sentence(local):
    with pytest.raises(Failed, match="no-such-terraform could not be started: .*No such file"):
        runs.start(local, "plan", ["no-such-terraform", "plan"], dict(os.environ))


def test_a_program_that_ends_at_once_is_a_run_that_has_ended(local):
    for _ in range(5):
        run = runs.start(local, "plan", ["true"], dict(os.environ))
        assert runs.follow(run, ignore) == 0


def test_events_come_whole_however_they_are_written(local):
    event = json.dumps({"type": "log", "@message": "é…\u2028\x85 地図"}, ensure_ascii=False)
    run = python(local, "import sys, time",
                 f"for byte in {event!r}.encode() + b'\\n' + b'no event\\n[1]\\n' + {event!r}.encode() + b'\\n':",
                 "    sys.stdout.buffer.write(bytes([byte])); sys.stdout.flush(); time.sleep(.002)")
    seen: list[dict] = []
    runs.follow(run, seen.append)
    assert seen == run.events() == [json.loads(event)] * 2


def test_what_terraform_says_beside_its_events_is_kept(local):
    run = python(local, "import sys", "sys.exit('panic: it broke')")
    assert runs.follow(run, ignore) == 1
    assert runs.stderr(run) == "panic: it broke"
    assert "panic: it broke" in terraform.explain(run).message
