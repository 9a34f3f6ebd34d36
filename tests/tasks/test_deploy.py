"""`deploy` up to its question: what it looks at and when, and that the images file is as it was where nothing is applied."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from invoke import Context, Exit

from tasks import deploy
from tasks.core import live_services, pins
from tasks.core.console import Refused
from tasks.core.embedded_containers import Containers
from tasks.core.plan import Plan

OLD, NEW = (f"r@sha256:{digit * 64}" for digit in "12")


@pytest.fixture
def stack(aws, local, monkeypatch):
    """Everything that `deploy` asks of others, noted in `.asked`; its image is NEW, and its plan has a change."""
    pins.write(local, {"ows": OLD})
    found = SimpleNamespace(settings=local, asked=[], judged=None, given=None)
    load = deploy.project.load

    def prepare(session, image):
        found.asked.append("image")
        pins.write(local, {"ows": image or NEW})
        return []

    def judge(session, running, of_checkout):
        found.asked.append("judged")
        found.judged = of_checkout

    def plan(terraform_, session, allow_older, held):
        found.asked.append("plan")
        assert allow_older and held == {"ows": "arn:1"}
        return SimpleNamespace(plan=Plan(outputs=1))

    def roll_out(terraform_, session, saved, inputs, allow_replace, ask_for_maps):
        found.asked.append("rolled out")
        found.given = inputs
        return SimpleNamespace(outputs={}, jobs={}, layers=(), changed=True)

    monkeypatch.setattr(deploy.project, "load", lambda workspace=None, root=local.root: load(workspace, root))
    monkeypatch.setattr(deploy, "start_embedded_aws", lambda *_: None)
    monkeypatch.setattr(deploy.steps, "connect_for_terraform", lambda session: None)
    monkeypatch.setattr(deploy.steps, "init", lambda *_: None)
    monkeypatch.setattr(deploy.applying, "report_earlier", lambda session: False)
    monkeypatch.setattr(deploy, "prepare", prepare)
    monkeypatch.setattr(live_services, "images", lambda session: {"ows": OLD})
    monkeypatch.setattr(pins, "require_not_older", judge)
    monkeypatch.setattr(deploy.planning, "plan", plan)
    monkeypatch.setattr(deploy.rollout, "job_inputs", lambda session: found.asked.append("inputs") or {"ranges": "1"})
    monkeypatch.setattr(deploy.rollout, "held_services", lambda session, inputs: {"ows": "arn:1"})
    monkeypatch.setattr(deploy.rollout, "containers_run", lambda session: True)
    monkeypatch.setattr(deploy.rollout, "roll_out", roll_out)
    monkeypatch.setattr(deploy.rollout, "show_maps", lambda *_: None)
    return found


def call(**flags) -> int:
    try:
        deploy.deploy(Context(), permission_check=False, **flags)
    except Exit as ended:
        return ended.code
    return 0


@pytest.mark.parametrize("check", [True, False])
def test_what_iam_would_refuse_stops_it_before_anything_is_made(stack, monkeypatch, check):
    monkeypatch.setattr("tasks.core.policy.simulation.missing", lambda session, role: [f"of {role}"])
    if check:
        with pytest.raises(Exit) as ended:
            deploy.deploy(Context(), yes=True)
        assert ended.value.code == 3 and stack.asked == []
    else:
        assert call(yes=True) == 0


def test_what_the_jobs_are_given_is_looked_at_before_the_image_is_made(stack):
    assert call(yes=True) == 0
    assert stack.asked == ["inputs", "image", "judged", "plan", "rolled out"] and stack.given == {"ranges": "1"}
    assert pins.read(stack.settings) == {"ows": NEW}


def test_a_no_leaves_the_images_file_as_it_was(stack):
    before = stack.settings.images_file.read_bytes()
    assert call() == 3 and "rolled out" not in stack.asked
    assert stack.settings.images_file.read_bytes() == before


def test_an_older_image_is_refused_and_not_left_in_the_file(stack, monkeypatch):
    def refuse(session, running, of_checkout):
        assert pins.read(stack.settings) == {"ows": NEW} and running == {"ows": OLD}
        raise Refused("older")

    monkeypatch.setattr(pins, "require_not_older", refuse)
    assert call(yes=True) == 3 and pins.read(stack.settings) == {"ows": OLD}
    assert call(yes=True, allow_older=True) == 0 and pins.read(stack.settings) == {"ows": NEW}


@pytest.mark.parametrize(("image", "of_checkout"), [("", True), (OLD, False)])
def test_an_image_is_judged_as_what_it_is(stack, image, of_checkout):
    assert call(yes=True, image=image) == 0 and stack.judged is of_checkout


@pytest.mark.parametrize(("runs", "reached", "reason"), [
    (False, True, None), (True, False, None), (False, False, "they do not reach this machine at 172.17.0.1: a firewall")])
def test_where_containers_do_not_reach_the_embedded_aws_they_are_recorded(local, monkeypatch, runs, reached, reason):
    """As behind a firewall that lets nothing in by default; what runs already is left alone."""
    given = []
    monkeypatch.setattr(deploy.embedded_containers, "ask", lambda: Containers("unix:///x", "172.17.0.1"))
    monkeypatch.setattr(deploy.embedded_aws, "status", lambda root: SimpleNamespace(containers=runs))
    monkeypatch.setattr(deploy.embedded_aws, "up", lambda root, say, why: given.append(why))
    monkeypatch.setattr(deploy.engine, "build", lambda settings, say: SimpleNamespace(name="maps:1"))
    monkeypatch.setattr(deploy.engine, "reached_from_a_container", lambda image, address: reached)
    deploy.start_embedded_aws(local, no_containers=False, image="")
    assert given == [reason] if reason is None else given[0].startswith(reason)
