"""Chamber's secrets, in chamber's words and order: write, read, list, history, delete, and what chamber leaves to others."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from . import rotation, steps
from .core import backup, chamber_formats, chamber_rules, console, parameter_store, secret_input
from .core import settings as project
from .core.console import BadInput, Refused, say, show
from .core.session import Session, connect
from .frame import ENDPOINT, JSON, WORKSPACE, YES, emit, positional, task
from .optional_words import MayEndWithAWord, TakesNoValue

MASK = "********"
SERVICE = {"service": "the chamber service, for example datacube-wms-dev"}
KEY = {"key": "the key, for example db_password"}
EXACT_KEY = {"exact_key": "take the key as it is instead of in lower case"}
# Each workspace's own database has its own; copied, they would lock its services out.
OF_THE_DATABASE = ("db_hostname", "db_port", "db_database", "db_username", "db_password")
OF_TERRAFORM = ("db_hostname", "db_port", "db_database")  # what it writes of these; for the administration the user, too


@task(help={**SERVICE, **KEY, **WORKSPACE, **ENDPOINT,
            "singleline": "of several lines on stdin take the first, without its line end",
            "skip_unchanged": "make no new version of the value that is there already"}, klass=TakesNoValue)
@positional("service", "key")
def write(context, service, key, workspace=None, singleline=False, skip_unchanged=False, endpoint_from_env=False):
    """Write a secret: the value is asked for twice, hidden, or read from stdin; it is never an argument.

    A single line from stdin loses its line end (chamber keeps it); several lines are kept byte for byte.
    """
    if context.remainder:
        raise BadInput("A value is never given on the command line: pipe it in, or type it when asked.")
    name = parameter_store.name(service, key)
    session = _session(workspace, endpoint_from_env)
    parameter_store.require_key(session)
    value = chamber_rules.check_value(secret_input.value(name, singleline), name)
    if skip_unchanged and parameter_store.read(session, service, key) == value:
        return say(f"{name} has this value already.")
    say(f"Written: {name}, version {parameter_store.write(session, service, key, value)}")


@task(help={**SERVICE, **KEY, **WORKSPACE, **JSON, **ENDPOINT, "quiet": "the value alone",
            "version": "the value of this version of chamber's"})
@positional("service", "key")
def read(context, service, key, workspace=None, quiet=False, version="", json=False, endpoint_from_env=False):
    """Show a secret's value."""
    if version and not version.isdecimal():
        raise BadInput(f"--version {version}: expected a whole number, as chamber.history shows it.")
    session = _session(workspace, endpoint_from_env)
    secret = parameter_store.secret(session, service, key, int(version) if version else None)
    if json:
        return emit(session.settings, {"service": service.lower(), **asdict(secret)})
    if quiet:
        return show(secret.value)
    console.table("", ("Key", "Value", "Version", "LastModified", "User"),
                  [(secret.key, secret.value, str(secret.version), _local(secret.modified), secret.user)])


@task(name="list", help={**SERVICE, **WORKSPACE, **JSON, **ENDPOINT, "expand": "show the values, too"})
@positional("service")
def list_(context, service, workspace=None, expand=False, json=False, endpoint_from_env=False):
    """List a service's secrets: keys, versions, dates; values only with --expand."""
    session = _session(workspace, endpoint_from_env)
    found = parameter_store.secrets(session, service, expand)
    if json:
        listed = [asdict(secret) for secret in found]
        return emit(session.settings, {"service": service.lower(), "secrets": [
            secret if expand else {name: said for name, said in secret.items() if name != "value"} for secret in listed]})
    if not found:
        return say(f"The service {service} has no secrets in account {session.settings.account}.")
    console.table("", ("Key", "Version", "LastModified", "User", "Value"),
                  [(secret.key, str(secret.version), _local(secret.modified), secret.user,
                    (secret.value or "") if expand else MASK) for secret in found])


@task(help={**WORKSPACE, **JSON, **ENDPOINT, "prefix": "only the services that begin so; --prefix may be left out"},
      klass=MayEndWithAWord)
def list_services(context, prefix="", workspace=None, json=False, endpoint_from_env=False):
    """List the services of the account that have secrets, one a line."""
    session = _session(workspace, endpoint_from_env)
    found = parameter_store.list_services(session, prefix)
    if json:
        return emit(session.settings, {"services": found})
    for service in found:
        show(service)


@task(help={**SERVICE, **KEY, **WORKSPACE, **JSON, **ENDPOINT})
@positional("service", "key")
def history(context, service, key, workspace=None, json=False, endpoint_from_env=False):
    """Show when a secret was written, and by whom."""
    session = _session(workspace, endpoint_from_env)
    found = parameter_store.history(session, service, key)
    if json:
        return emit(session.settings, {"service": service.lower(), "key": key.lower(),
                                       "history": [asdict(event) for event in found]})
    console.table("", ("Event", "Version", "Date", "User"),
                  [(event.event, str(event.version), _local(event.date), event.user) for event in found])


@task(help={**SERVICE, **KEY, **WORKSPACE, **YES, **ENDPOINT, **EXACT_KEY})
@positional("service", "key")
def delete(context, service, key, workspace=None, yes=False, exact_key=False, endpoint_from_env=False):
    """Delete a secret with all its versions, after asking."""
    session = _session(workspace, endpoint_from_env)
    name = parameter_store.name(service, key, exact_key)
    version = parameter_store.require(session, service, key, exact_key)
    console.confirm(f"Delete {name} (version {version}) in account {session.settings.account}, with all its versions?", yes)
    parameter_store.delete(session, service, key, exact_key)
    show(f"Deleted: {name}")


@task(help={**SERVICE, **WORKSPACE, **ENDPOINT, "format": "json (default; lossless), dotenv or env (lines for a shell)",
            "output": "a new file, only yours to read; encrypted when its name ends in .enc",
            "encrypt": "encrypt with a passphrase, asked for or from CHAMBER_BACKUP_PASSPHRASE; needs --output"})
@positional("service")
def export(context, service, workspace=None, format="json", output="", encrypt=False, endpoint_from_env=False):
    """Write out all secrets of a service with their values."""
    written = chamber_formats.FORMATS.get(format)
    if written is None:
        raise BadInput(f"--format {format}: expected {', '.join(chamber_formats.FORMATS)}. Chamber's other formats lose "
                       "or change some values.")
    encrypt = encrypt or output.endswith(".enc")
    if encrypt and (not output or format != "json"):
        raise BadInput("An encrypted export is JSON and goes to a file: --output FILE, without --format.")
    session = _session(workspace, endpoint_from_env)
    found = parameter_store.values(session, service)
    if not found:
        raise BadInput(f"The service {service} has no secrets in account {session.settings.account}.",
                       run=session.settings.command("chamber.list-services"))
    text = written(found)
    if not output:
        return print(text, end="", flush=True)
    content = backup.encrypt(text, secret_input.passphrase(twice=True)) if encrypt else text.encode()
    backup.save(Path(output), content)
    say(f"{len(found)} secrets of {service.lower()} are in {output}, {'encrypted' if encrypt else 'in plain text'}.")


@task(name="import", help={**SERVICE, **WORKSPACE, **ENDPOINT, "file": "what chamber.export wrote (JSON, also encrypted)",
                           "normalize_keys": "write the keys in lower case"})
@positional("service", "file")
def import_(context, service, file, workspace=None, normalize_keys=False, endpoint_from_env=False):
    """Write the secrets of a file (- for stdin) into a service; what has its value already is left alone.

    Where the workspace's own database is stays out: Terraform writes it, and no other database's would help.
    """
    content = sys.stdin.buffer.read() if file == "-" else _content(Path(file))
    source = "stdin" if file == "-" else file
    if backup.is_encrypted(content, source):
        text = backup.decrypt(content, secret_input.passphrase(twice=False), source)
    else:
        text = secret_input.decode(content, source)
    secrets = chamber_formats.from_json(text, source)
    if normalize_keys:
        secrets = _lower(secrets, source)
    session = _session(workspace, endpoint_from_env)
    parameter_store.require_key(session)
    left_out = sorted(_of_terraform(session, service) & secrets.keys())
    if left_out:
        say(f"Left out, since Terraform writes it: {', '.join(left_out)}.")
    secrets = {key: value for key, value in secrets.items() if key not in left_out}
    changed = parameter_store.write_all(session, service, secrets)
    show(f"Imported {len(changed)} secrets into {service.lower()}; {len(secrets) - len(changed)} had their values already.")
    mixed = sorted(key for key in secrets if key != key.lower())
    if mixed:
        console.warn(f"Chamber reads and deletes lower-case keys only, so not {', '.join(mixed)}: --normalize-keys helps.")


@task(help={**YES, **ENDPOINT, "workspace": "the workspace that is written to (default: local)",
            "from_workspace": "the workspace whose secrets are copied",
            "service": "a chamber service of that workspace; may be repeated (default: those that its services read)",
            "key": "only this key; may be repeated (default: all but those of the database)"}, iterable=["service", "key"])
def copy(context, from_workspace, workspace=None, service=None, key=None, yes=False, endpoint_from_env=False):
    """Copy secrets from one workspace to another, after asking. The administration's are copied only when named."""
    source, target = _both(from_workspace, workspace, endpoint_from_env)
    parameter_store.require_key(target)
    todo = {}
    for theirs, ours in _pairs(source, target, service):
        found = parameter_store.values(source, theirs)
        chosen = {name: value for name, value in found.items() if (name in key if key else name not in OF_THE_DATABASE)}
        if chosen:
            todo[theirs, ours] = chosen
    if not todo:
        raise BadInput(f"Workspace {from_workspace} has no such secrets to copy.",
                       run=source.settings.command("chamber.list-services"))
    for (theirs, ours), chosen in todo.items():
        say(f"{theirs} -> {ours}: {', '.join(sorted(chosen))}")
    console.confirm(f"Copy these to account {target.settings.account}, workspace {target.settings.workspace}?", yes)
    for (_, ours), chosen in todo.items():
        changed = parameter_store.write_all(target, ours, chosen)
        show(f"Copied {len(changed)} secrets to {ours}; {len(chosen) - len(changed)} had their values already.")


@task(help={**JSON, **ENDPOINT, "workspace": "the workspace to compare with (default: local)",
            "from_workspace": "the workspace that is compared",
            "service": "a chamber service of that workspace; may be repeated (default: those that its services read)"},
      iterable=["service"])
def diff(context, from_workspace, workspace=None, service=None, json=False, endpoint_from_env=False):
    """Compare two workspaces' keys; exit with 2 when they differ. No value is shown.

    Of the database's own keys, only whether they are there counts.
    """
    from invoke import Exit

    source, target = _both(from_workspace, workspace, endpoint_from_env)
    rows = []
    for theirs, ours in _pairs(source, target, service):
        before, after = parameter_store.values(source, theirs), parameter_store.values(target, ours)
        rows += [{"service": theirs, "other": ours, "key": key, "state": _compared(key, before, after)}
                 for key in sorted(before.keys() | after.keys())]
    different = any(row["state"] != "same" for row in rows)
    if json:
        emit(target.settings, {"from_workspace": from_workspace, "different": different, "keys": rows})
    else:
        words = {"same": "same", "differs": "differs", "missing": f"only in {from_workspace}",
                 "added": f"only in {target.settings.workspace}"}
        console.table("", ("Service", "Other", "Key", "State"),
                      [(row["service"], row["other"], row["key"], words[row["state"]]) for row in rows])
    if different:
        raise Exit(code=2)


@task(help={**WORKSPACE, **YES, **ENDPOINT,
            "service": "the chamber service whose database password is changed (default: the only serving one); "
                       "the administration's is the master password"})
def rotate(context, workspace=None, service="", yes=False, endpoint_from_env=False):
    """Change a database password: in the store and in the database together; its services are started anew."""
    session = connect(project.load(workspace), endpoint_from_env)
    service = rotation.choose(session.settings, service)
    terraform_ = steps.connect_for_terraform(session)
    parameter_store.require_key(session)
    steps.init(terraform_, session)
    rotation.require_password(session, service)
    what = "the database's master password" if service == session.settings.admin_service else f"the password of {service}"
    console.confirm(f"Change {what} in account {session.settings.account}, workspace {session.settings.workspace}?", yes)
    if service == session.settings.admin_service:
        rotation.administration(terraform_, session)
    else:
        rotation.serving(session, steps.require_outputs(terraform_), service)
    show(f"Changed: {what}.")


def _session(workspace: str | None, endpoint_from_env: bool) -> Session:
    session = connect(project.load(workspace), endpoint_from_env)
    session.require_account()
    return session


def _both(from_workspace: str, workspace: str | None, endpoint_from_env: bool) -> tuple[Session, Session]:
    return _session(from_workspace, endpoint_from_env), _session(workspace, endpoint_from_env)


def _pairs(source: Session, target: Session, services: list[str]) -> list[tuple[str, str]]:
    """The services of one workspace, each with what it is called in the other."""
    theirs, ours = source.settings, target.settings
    found = []
    for service in sorted(set(map(chamber_rules.check_service, services or theirs.serving_services.values()))):
        own = service == theirs.id or service.startswith(f"{theirs.id}-")
        other = ours.id + service[len(theirs.id):] if own else service
        if (theirs.account, theirs.region, service) == (ours.account, ours.region, other):
            raise Refused(f"{service} is the same service in both workspaces.")
        found.append((service, other))
    return found


def _of_terraform(session: Session, service: str) -> set[str]:
    """The keys that Terraform writes to a service: where the database is; nothing to somebody else's."""
    settings, service = session.settings, service.lower()
    if service == settings.admin_service:
        return {*OF_TERRAFORM, "db_username"}
    return set(OF_TERRAFORM) if service in settings.own_chamber_services else set()


def _compared(key: str, before: dict[str, str], after: dict[str, str]) -> str:
    if key not in after:
        return "missing"
    if key not in before:
        return "added"
    return "same" if key in OF_THE_DATABASE or before[key] == after[key] else "differs"


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None


def _lower(secrets: dict[str, str], source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in secrets.items():
        if key.lower() in found:
            raise BadInput(f"{source}: more than one key is {key.lower()} in lower case.")
        found[key.lower()] = value
    return found


def _local(moment) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
