"""Who this project is (invoke.yaml) and what its workspace says (workspaces/NAME.tfvars), read once, never changed."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from . import files, names
from .console import BadInput, Refused

ROOT = Path(__file__).resolve().parents[2]

KINDS = {str: "a text (in quotes)", int: "a whole number", list: "a list", dict: "a section"}

# What the tasks read of a workspace's variables, before Terraform can check them.
TEXTS = ("aws_ami", "instance_type", "key_name", "parameter_store_key_alias")


@dataclass(frozen=True)
class Project:
    """The section ``project:`` of invoke.yaml."""

    name: str
    slug: str
    owner: str
    cluster: str
    state_bucket: str = ""
    image_repository: str = "ecr"
    ows_version: str = ""
    chamber_version: str = ""
    required_variables: list = field(default_factory=list)
    plan_max_age_minutes: int = 120
    template: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """One workspace of the project.

    root       the project's folder
    account    12 digits; empty until it is known (``bootstrap --account`` records it)
    variables  the defaults of variables.tf under the values of workspaces/NAME.tfvars
    pinned     service -> image, from workspaces/NAME.images.tfvars.json
    """

    root: Path
    project: Project
    workspace: str
    account: str
    region: str
    variables: dict[str, Any]
    pinned: dict[str, str]

    @property
    def is_local(self) -> bool:
        return self.workspace == names.LOCAL

    @property
    def id(self) -> str:
        """What a person types to confirm a destruction, and chamber's service."""
        return f"{self.project.slug}-{self.workspace}"

    @property
    def chamber_service(self) -> str:
        return self.id

    @property
    def admin_service(self) -> str:
        """Where the master password stands: only administration jobs may read it."""
        return f"{self.id}-admin"

    @property
    def serving_services(self) -> dict[str, str]:
        """service -> the chamber service that its tasks read."""
        services = self.variables.get("services") or {}
        return {name: service.get("chamber_service") or self.chamber_service for name, service in services.items()}

    @property
    def map_services(self) -> list[str]:
        """The services that run the project's own image, and so draw maps; where none does, the first. As jobs.tf has it."""
        services = self.variables.get("services") or {}
        return sorted(name for name, service in services.items() if not service.get("image")) or sorted(services)[:1]

    @property
    def own_chamber_services(self) -> list[str]:
        """Those of the serving ones that are this project's: for these it makes login roles, as services.tf has it."""
        named = set(self.serving_services.values())
        return sorted(name for name in named if name == self.id or name.startswith(f"{self.id}-"))

    @property
    def name(self) -> str:
        """What every AWS name begins with."""
        return f"{self.project.cluster}-{self.workspace}"

    @property
    def state_bucket(self) -> str:
        return self.project.state_bucket or f"{self.project.slug}-state-{self.account}-{self.region}"

    @property
    def key_alias(self) -> str:
        return self.variables["parameter_store_key_alias"]

    @property
    def database(self) -> str:
        """The identifier of the RDS instance."""
        return names.within(63, self.name)

    @property
    def tfvars(self) -> Path:
        return tfvars_file(self.root, self.workspace)

    @property
    def images_file(self) -> Path:
        return self.root / "workspaces" / f"{self.workspace}.images.tfvars.json"

    @property
    def var_files(self) -> list[Path]:
        """What Terraform reads with -var-file, in order."""
        return [self.tfvars, *([self.images_file] if self.images_file.exists() else [])]

    @property
    def local_dir(self) -> Path:
        """What belongs to this checkout alone: runs, saved plans, the embedded AWS. Never committed."""
        return self.root / ".local"

    def private_dir(self, *names: str) -> Path:
        """A folder below .local, made for its owner only."""
        folder = self.local_dir
        for part in ("", *names):
            folder = folder / part
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)
        return folder

    @functools.cached_property
    def images(self) -> dict[str, str]:
        """service -> the image for those that name none of their own: what is pinned.

        In ``local`` no registry is needed: where nothing is pinned, it is what `docker.build` makes of image/ as it is now.
        """
        if not self.is_local:
            return self.pinned
        from . import images

        services = self.variables.get("services") or {}
        unpinned = [name for name, service in services.items() if not service.get("image") and name not in self.pinned]
        return {**self.pinned, **(dict.fromkeys(unpinned, images.local_name(self)) if unpinned else {})}

    def require_images(self) -> None:
        """Raise BadInput (4) unless every service has an image."""
        services = self.variables.get("services") or {}
        missing = sorted(name for name, service in services.items() if not (service.get("image") or self.images.get(name)))
        if missing:
            file = self.images_file.relative_to(self.root)
            example = json.dumps({"images": {missing[0]: "ghcr.io/org/name@sha256:…"}})
            raise BadInput(f"There is no image for {', '.join(missing)}. Pin one in {file}: {example}")

    def command(self, task: str, *flags: str) -> str:
        """A task of this workspace as a person types it."""
        where = () if self.is_local else ("-w", self.workspace)
        return " ".join(("invoke", task, *where, *flags))

    def require_account(self) -> None:
        """Raise Refused (3) while the workspace's account is not known."""
        if not self.account:
            raise Refused(
                f"The AWS account of workspace {self.workspace} is not known yet.",
                run=self.command("bootstrap", "--account", "123456789012"),
            )


def tfvars_file(root: Path, workspace: str) -> Path:
    return root / "workspaces" / f"{workspace}.tfvars"


def load(workspace: str | None = None, root: Path = ROOT) -> Settings:
    """Read and check everything once. Raises BadInput with the file and the value that is wrong."""
    workspace = names.check_workspace(workspace or names.LOCAL)
    file = tfvars_file(root, workspace)
    if not file.exists():
        known = ", ".join(workspaces(root)) or "none"
        raise BadInput(f"There is no workspace {workspace} (known: {known}).", run=f"invoke workspace.add {workspace}")
    variables = {**_defaults(root), **read_hcl(file)}
    settings = Settings(
        root=root,
        project=_project(root),
        workspace=workspace,
        account=_text(variables, "account", file),
        region=_text(variables, "region", file),
        variables=variables,
        pinned=_pinned(root / "workspaces" / f"{workspace}.images.tfvars.json"),
    )
    _check(settings, file)
    return settings


def workspaces(root: Path = ROOT) -> list[str]:
    return sorted(file.stem for file in (root / "workspaces").glob("*.tfvars"))


def record(file: Path, variable: str, value: str) -> None:
    """Put a value into the one line ``variable = "…"`` of a tfvars file; everything else stays as it is."""
    text = file.read_bytes().decode()  # not read_text: line endings stay as they are, too
    line = re.compile(rf'^({re.escape(variable)}[ \t]*=[ \t]*)"[^"\n]*"', re.MULTILINE)
    changed, count = line.subn(lambda match: f'{match[1]}"{value}"', text)
    if count != 1:
        raise BadInput(f'{file.name} should hold exactly one line {variable} = "…"; it holds {count}. Put it back.')
    if changed != text:
        files.replace(file, changed.encode())


def _check(settings: Settings, file: Path) -> None:
    names.check_region(settings.region)
    for name in TEXTS:
        if not isinstance(settings.variables.get(name, ""), str):
            raise BadInput(f"{file.name}: {name} must be {KINDS[str]}.")
    services = settings.variables.get("services", {})
    if not isinstance(services, dict) or not all(isinstance(service, dict) for service in services.values()):
        raise BadInput(f"{file.name}: services must be a map, name = {{ settings }}.")
    if settings.variables.get("workspace") != settings.workspace:
        raise BadInput(f'{file.name} must say workspace = "{settings.workspace}", as its name does.')
    if settings.is_local:
        if settings.account != names.LOCAL_ACCOUNT:
            raise BadInput(f'{file.name} must say account = "{names.LOCAL_ACCOUNT}": the embedded AWS has no other.')
    elif settings.account == names.LOCAL_ACCOUNT:
        raise BadInput(f"{file.name} names the embedded account {names.LOCAL_ACCOUNT}; only the workspace local may.")
    elif settings.account:
        names.check_account(settings.account)


def _text(variables: dict, name: str, file: Path) -> str:
    value = variables.get(name)
    if not isinstance(value, str):
        raise BadInput(f'{file.name} must say {name} = "…".')
    return value


def _project(root: Path) -> Project:
    import yaml

    file = root / "invoke.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{file.name} is missing: it says who this project is. Restore it from git.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{file.name} is not valid YAML: {' '.join(str(error).split())}") from None
    section = content.get("project") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise BadInput(f"{file.name} must hold a section project: who this project is. Restore it from git.")
    kinds = get_type_hints(Project)
    for name, value in section.items():
        if name not in kinds:
            raise BadInput(f"{file.name}: the section project has no {name} (it has: {', '.join(kinds)}).")
        if type(value) is not kinds[name]:
            raise BadInput(f"{file.name}: {name} is {value!r}; it must be {KINDS[kinds[name]]}.")
    for name in ("name", "slug", "owner", "cluster"):
        if not section.get(name):
            raise BadInput(f"{file.name} must say {name} in the section project.")
    for name in ("slug", "cluster"):
        names.check_slug(section[name])
    return Project(**section)


def _pinned(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        images = json.loads(file.read_text(encoding="utf-8"))["images"]
    except (ValueError, KeyError, TypeError):
        images = None
    if not isinstance(images, dict) or not all(isinstance(image, str) for image in images.values()):
        raise BadInput(f'{file.name} must hold {{"images": {{service: "repository@sha256:…"}}}}. Restore it from git.')
    return images


@functools.cache
def _defaults(root: Path) -> dict[str, Any]:
    """The defaults that variables*.tf declares, so that no default stands twice."""
    defaults = {}
    for file in sorted(root.glob("variables*.tf")):
        for block in read_hcl(file).get("variable", []):
            for name, body in block.items():
                if "default" in body:
                    defaults[name.strip('"')] = body["default"]
    return defaults


def read_hcl(file: Path) -> dict[str, Any]:
    import hcl2  # parses Terraform's language; 100 ms that `invoke --list` need not pay

    options = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False, explicit_blocks=False)
    try:
        return hcl2.loads(file.read_text(encoding="utf-8"), serialization_options=options)
    except Exception as error:  # the parser raises many kinds, none documented
        raise BadInput(f"{file.name} is not valid: {str(error).splitlines()[0]}", run="terraform fmt") from None
