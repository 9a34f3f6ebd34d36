"""terraform init: which state a workspace uses, where its provider comes from, and when it must be done again."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from . import working_root
from .console import BadInput, Failed, Refused
from .processes import read_json, write_json
from .settings import Settings, read_hcl
from .terraform import Terraform

PROVIDER = Path("registry.terraform.io") / "hashicorp" / "aws"
PLATFORMS = ("linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64")


def backend(settings: Settings) -> dict[str, str]:
    """Where the workspace's state lies: ``bucket``, ``key`` (as main.tf says it) and ``region``."""
    return {"bucket": settings.state_bucket, "key": _key(settings.root), "region": settings.region}


def state_object(settings: Settings) -> str:
    """The state's own key in the bucket: the S3 backend puts the workspace before it."""
    return f"env:/{settings.workspace}/{_key(settings.root)}"


def _key(root: Path) -> str:
    for block in read_hcl(root / "main.tf").get("terraform", []):
        for declared in block.get("backend", []):
            for body in declared.values():
                if body.get("key"):
                    return body["key"]
    raise BadInput('main.tf must hold a backend "s3" block with a key. Restore it from git.')


def needed(settings: Settings) -> bool:
    """Whether init has to run: never done, or what it read has changed."""
    return read_json(_record(settings)) != _inputs(settings)


def initialise(terraform: Terraform, say: Callable[[str], None], new_backend: bool = False) -> None:
    """Run ``terraform init``. Raises Refused (3) when the state would silently be another one than before."""
    settings = terraform.settings
    wanted = _inputs(settings)
    recorded = read_json(_record(settings))
    before = recorded.get("backend") if isinstance(recorded, dict) else None
    if before and before != wanted["backend"] and not new_backend:
        raise Refused(
            f"The state of workspace {settings.workspace} has been {_where(before)}; main.tf and the settings now say "
            f"{_where(wanted['backend'])}. Nothing moves a state by itself: put the old value back, or start there anew.",
            run=settings.command("init", "--new-backend"),
        )
    had_lock_file = (settings.root / ".terraform.lock.hcl").exists()
    mirrored = _init(terraform, say)
    if not had_lock_file and not mirrored:
        _lock_for_every_platform(terraform, say)
    write_json(_record(settings), _inputs(settings))


def initialise_working_root(terraform: Terraform, root: Path) -> None:
    """Make a working root ready for a plan: its own backend, the modules, and the provider that is there already."""
    settings = terraform.settings
    record, wanted = root / ".terraform" / "initialised.json", _inputs(settings)
    if read_json(record) == wanted:
        return
    working_root.share_providers(settings, root)
    readonly = "readonly" if (root / ".terraform.lock.hcl").exists() else None
    terraform.run("init", root=root, input=False, reconfigure=True, lockfile=readonly)
    write_json(record, wanted)


def _init(terraform: Terraform, say: Callable[[str], None]) -> bool:
    """Answers whether the provider came from a mirror on this machine."""
    settings = terraform.settings
    options = dict(
        input=False,
        reconfigure=True,
        backend_config=[f"bucket={settings.state_bucket}", f"region={settings.region}"],
    )
    named = os.environ.get("TF_PROVIDER_MIRROR")
    if named:
        _use_mirror(terraform, Path(named))
    try:
        terraform.run("init", environment=_surroundings(), **options)
        return bool(named) or "TF_CLI_CONFIG_FILE" in terraform.environment
    except Failed as error:
        if not any(sign in error.message for sign in ("registry.terraform.io", "provider registry")) or named:
            raise
        found = find_mirror()
        if found is None:
            raise
        say(f"Terraform's registry does not answer; the provider is taken from the mirror {found}.")
        _use_mirror(terraform, found)
        terraform.run("init", environment=_surroundings(), **options)
        return True


def _surroundings() -> dict[str, str]:
    """What init alone needs. In a new workspace it refuses as soon as the bucket holds another one; the plan makes it.
    And it fetches the provider, in `local` too, so the caller's proxies hold for all but this machine."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost")))
    return {"TF_WORKSPACE": "default", **proxies, "NO_PROXY": direct}


def find_mirror() -> Path | None:
    """A folder that holds registry.terraform.io/hashicorp/aws, within four levels of /; None when there is none.

    What lies there is run with the caller's credentials, so nobody else may be able to write to it.
    """
    for depth in range(1, 5):
        for found in sorted(glob.glob("/" + "*/" * depth + str(PROVIDER))):
            if not found.startswith(("/proc/", "/sys/", "/dev/")) and _trusted(Path(found)):
                return Path(found).parents[2]
    return None


def _trusted(folder: Path) -> bool:
    """Whether only root and this user can change what lies in a folder."""
    places = [folder, *folder.parents]
    return all(place.stat().st_uid in (0, os.getuid()) and not place.stat().st_mode & 0o002 for place in places)


def _use_mirror(terraform: Terraform, mirror: Path) -> None:
    """Have Terraform take providers from a folder, by a configuration file of this checkout's own."""
    if not (mirror / PROVIDER).is_dir():
        raise BadInput(f"TF_PROVIDER_MIRROR names {mirror}, which holds no {PROVIDER}.")
    file = terraform.settings.private_dir() / "terraform.rc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    terraform.environment["TF_CLI_CONFIG_FILE"] = str(file)


def _lock_for_every_platform(terraform: Terraform, say: Callable[[str], None]) -> None:
    """So that a colleague on macOS and the pipeline on Linux use the same provider."""
    say("Locking the provider for Linux and macOS (once; commit .terraform.lock.hcl)…")
    try:
        terraform.run("providers lock", environment=_surroundings(), platform=list(PLATFORMS))
    except Failed as error:
        say(f"The lock file is for this platform only: {error.message}")


def _record(settings: Settings) -> Path:
    return settings.root / ".terraform" / settings.workspace / "initialised.json"


def _inputs(settings: Settings) -> dict:
    """What init reads: the backend, the providers and modules that the configuration names, the lock file."""
    digest = hashlib.sha256()
    for pattern in ("*.tf", "modules/**/*.tf", ".terraform.lock.hcl"):
        for file in sorted(settings.root.glob(pattern)):
            digest.update(file.read_bytes())
    present = (settings.root / ".terraform" / settings.workspace / "providers").exists()
    return {"backend": backend(settings), "configuration": digest.hexdigest(), "providers": present}


def _where(place: dict[str, str]) -> str:
    return f"{place['key']} in {place['bucket']} ({place['region']})"
