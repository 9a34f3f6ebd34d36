"""Workspaces: one file each, workspaces/NAME.tfvars."""

from __future__ import annotations

from .core import console, names
from .core import settings as project
from .core.console import BadInput, say, show
from .frame import JSON, positional, task


@task(
    help={
        "name": "the new workspace, for example prod",
        "source": "the workspace to start from (default: the first that is not local)",
        "account": "its AWS account id, 12 digits; may be recorded later with bootstrap --account",
        "region": "its region (default: that of the workspace to start from)",
    }
)
@positional("name")
def add(context, name, source=None, account="", region=None):
    """Make another workspace: a copy of one, with its own name, account and state."""
    names.check_workspace(name)
    file = project.tfvars_file(project.ROOT, name)
    if file.exists():
        raise BadInput(f"There is a workspace {name} already: {file.relative_to(project.ROOT)}.")
    source = source or next((known for known in project.workspaces() if known != names.LOCAL), None)
    if source in (None, names.LOCAL):
        raise BadInput("local is no model for a real account: nothing in it is protected. Name another --source.")
    original = project.load(source)
    if account:
        names.check_real_account(account)
    region = names.check_region(region or original.region)

    copy = file.with_suffix(".new")  # renamed at the end: a workspace is there whole or not at all
    try:
        text = original.tfvars.read_text(encoding="utf-8")
        text = text.replace(f"`{source}`", f"`{name}`").replace(f"{source}.images", f"{name}.images")  # its comments
        copy.write_text(text, encoding="utf-8")
        for variable, value in {"workspace": name, "account": account, "region": region, "aws_ami": ""}.items():
            project.record(copy, variable, value)
        copy.rename(file)
    finally:
        copy.unlink(missing_ok=True)
    show(f"Made {file.relative_to(project.ROOT)} from {original.tfvars.name}. Look through it: size, networks, protection.")
    account_known = () if account else ("--account", "123456789012")
    say(f"  next: invoke bootstrap -w {name} {' '.join(account_known)}".rstrip())


@task(help=JSON, name="list")
def list_(context, json=False):
    """Show the workspaces with their accounts and regions."""
    found = [project.load(name) for name in project.workspaces()]
    if json:
        return console.emit({"workspaces": [{"workspace": one.workspace, "account": one.account, "region": one.region}
                                            for one in found]})
    console.table("", ("workspace", "account", "region"),
                  [(one.workspace, one.account or "not known yet", one.region) for one in found])
