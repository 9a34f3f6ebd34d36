"""A working root that adopts and does nothing else: the provider, the resources that are to be adopted, and their imports.

Every plan of the stack adopts the same; this is for doing only that, also before the first deployment. The project's own
configuration would not do: ``terraform import`` refuses it as long as nothing is deployed (a ``for_each`` over subnets is
not known yet), and a plan with targets would make the database for the log group of a service, which waits for it.
Nothing is changed in the account: each resource ignores whatever differs from what is found.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from . import working_root
from .settings import Settings

KIND = "adoption"
MODULES = ("ecs_policy", "ec2_instances", "ecs", "jobs", "database_layer")
REQUIRED = {"aws_kms_alias": {"target_key_id": "as it is found"}}  # Terraform wants the argument, and ignores it here


def write(settings: Settings, objects: Mapping[str, str]) -> Path:
    """Make the root for address -> id, and answer its folder. Its modules are always the same: it is initialised once."""
    root = working_root.folder(settings, KIND)
    for name in ("versions.tf", ".terraform.lock.hcl"):
        if (settings.root / name).exists():
            shutil.copy(settings.root / name, root / name)
    modules: dict[str, dict] = {name: {"source": f"./{name}"} for name in MODULES}
    modules["ecs"]["for_each"] = _set(settings.variables.get("services") or {})
    (root / "backend.tf").write_text(working_root.BACKEND)
    _write(root, {
        "provider": {"aws": {"region": settings.region, "allowed_account_ids": [settings.account],
                             "default_tags": {"tags": _default_tags(settings)}}},
        "module": modules,
        "import": [{"to": address, "id": id_} for address, id_ in objects.items()],
    })
    for name in MODULES:
        (root / name).mkdir(mode=0o700, exist_ok=True)
        resources = _resources(name, objects)
        _write(root / name, {"resource": resources} if resources else {})
    return root


def _resources(module: str, objects: Mapping[str, str]) -> dict[str, dict]:
    """type -> name -> body of what is adopted into a module; the addresses of one resource differ by their keys."""
    found: dict[str, dict] = {}
    for address in objects:
        home, _, rest = address.removeprefix("module.").partition(".")
        if home.partition("[")[0] != module:
            continue
        resource, _, key = rest.partition("[")
        type, _, name = resource.partition(".")
        fresh = {**REQUIRED.get(type, {}), "lifecycle": {"ignore_changes": "all"}}
        body = found.setdefault(type, {}).setdefault(name, fresh)
        if key:
            body.setdefault("keys", []).append(json.loads(key.removesuffix("]")))
    for body in (body for named in found.values() for body in named.values() if "keys" in body):
        body["for_each"] = _set(body.pop("keys"))
    return found


def _default_tags(settings: Settings) -> dict[str, str]:
    """As main.tf has them: by these a state tells a resource's own tags from what the provider adds to everything."""
    project = settings.project
    return {"Project": project.slug, "Cluster": project.cluster, "Workspace": settings.workspace, "Owner": project.owner,
            "Created_by": "terraform"}


def _set(names) -> str:
    """A set of names as an expression."""
    return f"${{toset({json.dumps(sorted(names))})}}"


def _write(folder: Path, content: dict) -> None:
    (folder / "main.tf.json").write_text(json.dumps(content, indent=2))
