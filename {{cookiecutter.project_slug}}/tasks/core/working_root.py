"""Where Terraform plans and applies: a folder below .local whose state lies on this disk.

The S3 backend saves a state 30 seconds after its first resource and then every 30 (measured; the interval cannot be
shortened): a Terraform that is killed loses what it made since. The local backend saves after each resource. So the tasks
run Terraform in a folder of links to the project's files, with the backend overridden; ``kept_state`` brings the state
from the bucket and back. The project's own root keeps the S3 backend, for short commands and for people.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from .settings import Settings

NOT_LINKED = {".git", ".local", ".terraform", "terraform.tfstate.d"}
BACKEND = 'terraform {\n  backend "local" {\n    workspace_dir = "../state"\n  }\n}\n'


def folder(settings: Settings, name: str) -> Path:
    """.local/roots/WORKSPACE/NAME"""
    return settings.private_dir("roots", settings.workspace, name)


def state_file(settings: Settings) -> Path:
    """Where Terraform keeps the state while it works; 0700 like everything below .local."""
    return settings.private_dir("roots", settings.workspace, "state", settings.workspace) / "terraform.tfstate"


def stack(settings: Settings, adopted: Mapping[str, str] | None = None) -> Path:
    """The project's configuration, and an import for each address -> id of what an earlier run made unknown to the state."""
    root = folder(settings, "stack")
    wanted = {path.name for path in settings.root.iterdir()} - NOT_LINKED
    wanted = {name for name in wanted if not name.startswith((".terraform.tfstate", "terraform.tfstate", "errored.tfstate"))}
    for present in root.iterdir():
        if present.is_symlink() and present.name not in wanted:
            present.unlink()
    for name in wanted:
        _link(root / name, Path("../../../..") / name)
    (root / "working_override.tf").write_text(BACKEND)
    (root / "adopted.tf").write_text("".join(
        f"import {{\n  to = {address}\n  id = {_quoted(id_)}\n}}\n" for address, id_ in (adopted or {}).items()))
    return root


def teardown(settings: Settings, kept: Iterable[str]) -> Path:
    """Nothing but the provider, and what is kept: all else in the state is in no configuration, so a plan deletes it.

    kept  addresses as a configuration has them, without instance keys
    ``terraform destroy`` would not do: it ignores ``removed`` blocks, and would delete the shared key.
    """
    root = folder(settings, "teardown")
    for name in ("versions.tf", ".terraform.lock.hcl"):
        if (settings.root / name).exists():
            _link(root / name, Path("../../../..") / name)
    provider = (f'provider "aws" {{\n  region              = {_quoted(settings.region)}\n'
                f"  allowed_account_ids = [{_quoted(settings.account)}]\n}}\n")
    removed = "".join(f"\nremoved {{\n  from = {address}\n\n  lifecycle {{\n    destroy = false\n  }}\n}}\n"
                      for address in sorted(kept))
    (root / "main.tf").write_text(f"{BACKEND}\n{provider}{removed}")
    return root


def share_providers(settings: Settings, root: Path) -> None:
    """The provider is the one that ``terraform init`` put into the workspace's own folder: 700 MB are not copied."""
    data = root / ".terraform"
    data.mkdir(mode=0o700, exist_ok=True)
    _link(data / "providers", Path("../../../../..") / ".terraform" / settings.workspace / "providers")


def discard(settings: Settings) -> None:
    """Remove the working roots of a workspace, the state on this disk among them."""
    shutil.rmtree(settings.local_dir / "roots" / settings.workspace, ignore_errors=True)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() or os.readlink(link) != str(target):
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _quoted(text: str) -> str:
    """A text as HCL writes it: like JSON, but for the two signs that begin a template."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
