"""A plan on disk and its sidecar: what it was made from, so that apply can refuse it when that no longer holds.

Terraform itself notices only that the state has moved on; not another account, another image, an edited file, or age.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from . import plan as plans
from .console import Refused
from .initialise import backend
from .plan import Plan
from .processes import read_json, start_time, write_json
from .settings import Settings

CONFIGURATION = (
    "*.tf", "*.tf.json", "terraform.tfvars*", "*.auto.tfvars*", "modules/**/*", "task-definitions/**/*",
    "invoke.yaml", ".terraform.lock.hcl",
)  # fmt: skip


@dataclass(frozen=True)
class SavedPlan:
    """file  Terraform's plan (0600: it holds the state);  facts  the sidecar's content;  plan  what it does."""

    file: Path
    facts: dict
    plan: Plan

    @property
    def kind(self) -> str:
        """What it is a plan of: ``stack``, or its ``teardown``."""
        return self.facts.get("kind", "stack")

    @property
    def whole(self) -> bool:
        """Whether it is a plan of the whole stack: after it, nothing is unfinished any more."""
        return self.kind == "stack" and not self.facts.get("targets")

    @property
    def age(self) -> timedelta:
        return datetime.now(timezone.utc) - datetime.fromisoformat(self.facts["created_at"])


def file(settings: Settings) -> Path:
    """.local/plans/WORKSPACE.tfplan"""
    return _folder(settings) / f"{settings.workspace}.tfplan"


def draft(settings: Settings) -> Path:
    """Where this process has Terraform write its plan; nobody else writes there."""
    return _folder(settings) / f"{settings.workspace}.{os.getpid()}.draft"


def _taken(settings: Settings) -> Path:
    """Where the plan lies that is being applied, or was when its task was killed."""
    return _folder(settings) / f"{settings.workspace}.applying.tfplan"


def _folder(settings: Settings) -> Path:
    return settings.private_dir("plans")


def discard(settings: Settings) -> None:
    """Forget the saved plan, and drafts that killed tasks have left."""
    _remove(file(settings))
    for left in _folder(settings).glob(f"{settings.workspace}.*.draft"):
        if start_time(int(left.suffixes[-2].lstrip("."))) is None:
            left.unlink(missing_ok=True)


def discard_taken(settings: Settings) -> None:
    """Forget the plan that was applied: it is used once."""
    _remove(_taken(settings))


def _remove(plan: Path) -> None:
    plan.unlink(missing_ok=True)
    _sidecar(plan).unlink(missing_ok=True)


def save(settings: Settings, facts: dict, plan: Plan, password_version: int, terraform_version: str) -> SavedPlan:
    """Put the draft in the saved plan's place, with its sidecar. ``facts`` are those from before Terraform read them."""
    written, saved = draft(settings), file(settings)
    written.chmod(0o600)
    facts = {
        **facts,
        "password_version": password_version,
        "plan_sha256": _sha256(written),
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "terraform_version": terraform_version,
        "git": _git(settings.root),
        **plan.as_dict(),
    }
    os.replace(written, saved)
    write_json(_sidecar(saved), facts)
    return SavedPlan(saved, facts, plan)


def take(settings: Settings, shown: SavedPlan) -> SavedPlan:
    """Take the plan that was shown, so that no other task can change it any more, and check it once more.

    Raises Refused (3) when it is not that plan any more, or no longer holds: a question may stay open for long.
    """
    present = load(settings, shown.kind)
    if present.facts["plan_sha256"] != shown.facts["plan_sha256"]:
        raise Refused("Another plan was made since this one was shown. Nothing was applied.", run=settings.command("plan"))
    taken = _taken(settings)
    os.replace(present.file, taken)
    os.replace(_sidecar(present.file), _sidecar(taken))
    if _sha256(taken) != shown.facts["plan_sha256"]:
        discard_taken(settings)
        raise Refused("Another plan was made since this one was shown. Nothing was applied.", run=settings.command("plan"))
    return SavedPlan(taken, present.facts, present.plan)


def taken(settings: Settings) -> SavedPlan | None:
    """The plan that is being applied, or was when its task was killed."""
    return _read(_taken(settings))


def load(settings: Settings, kind: str = "stack") -> SavedPlan:
    """The saved plan of a kind. Raises Refused (3) when there is none, or when what it was made from no longer holds."""
    again = settings.command("plan") if kind == "stack" else f"invoke destroy -w {settings.workspace}"
    found = peek(settings)
    if found is None or found.kind != kind:
        what = "" if kind == "stack" else f" of the {kind}"
        raise Refused(f"There is no saved plan{what} for workspace {settings.workspace}.", run=again)
    reasons = _stale(settings, found)
    if reasons:
        raise Refused(f"The saved plan no longer holds: {'; '.join(reasons)}.", run=again)
    return found


def peek(settings: Settings) -> SavedPlan | None:
    """The saved plan as it is, whether or not it still holds."""
    return _read(file(settings))


def _read(plan: Path) -> SavedPlan | None:
    facts = read_json(_sidecar(plan))
    try:
        datetime.fromisoformat(facts["created_at"])
        return SavedPlan(plan, facts, plans.from_dict(facts)) if plan.exists() else None
    except (KeyError, TypeError, ValueError):  # not there, or damaged
        return None


def _stale(settings: Settings, saved: SavedPlan) -> list[str]:
    """Every reason why the plan must not be applied, as a phrase."""
    present, facts, reasons = present_facts(settings), saved.facts, []
    for name in ("workspace", "account", "region"):
        if present[name] != facts.get(name):
            reasons.append(f"{name} was {facts.get(name) or 'empty'} and is {present[name] or 'empty'}")
    for name in ("backend", "images"):
        before = facts.get(name) or {}
        for key in sorted({*before, *present[name]}):
            if present[name].get(key) != before.get(key):
                reasons.append(f"{name}: {key} was {before.get(key) or 'empty'} and is {present[name].get(key) or 'empty'}")
    then, now = facts.get("files", {}), present["files"]
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if changed:
        reasons.append(f"changed since: {', '.join(changed)}")
    if _sha256(saved.file) != facts.get("plan_sha256"):
        reasons.append("the plan file is not the one that was written")
    limit = timedelta(minutes=settings.project.plan_max_age_minutes)
    if saved.age > limit:
        reasons.append(f"it is {_minutes(saved.age)} old, and {_minutes(limit)} is the limit (plan_max_age_minutes)")
    return reasons


def present_facts(settings: Settings, kind: str = "stack", targets: Iterable[str] = ()) -> dict:
    """What a plan made now would be made from. ``targets``: it is for these addresses only."""
    return {
        "kind": kind,
        "targets": sorted(targets),
        "workspace": settings.workspace,
        "account": settings.account,
        "region": settings.region,
        "backend": backend(settings),
        "files": _files(settings),
        "images": images(settings),
    }


def images(settings: Settings) -> dict[str, str]:
    """service -> the image that this plan runs: the tfvars' own, else the digest of the images file."""
    services = settings.variables.get("services") or {}
    return {name: (service.get("image") or settings.images.get(name) or "") for name, service in services.items()}


def _files(settings: Settings) -> dict[str, str]:
    """The hash of everything that Terraform reads for this workspace, by path."""
    found = {path for pattern in CONFIGURATION for path in settings.root.glob(pattern) if path.is_file()}
    return {str(path.relative_to(settings.root)): _sha256(path) for path in sorted({*found, *settings.var_files})}


def _sidecar(plan: Path) -> Path:
    return plan.with_suffix(".json")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(root: Path) -> str | None:
    """The commit, with a + when files differ from it; shown to people, never a reason to refuse."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True)
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    if commit.returncode:
        return None
    return commit.stdout.strip() + ("+" if changes.stdout.strip() else "")


def _minutes(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
