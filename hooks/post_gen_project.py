"""Drop what was not chosen, and say what comes next. Pure file work: it may run any number of times."""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

MODULE_SOURCE = "{{ cookiecutter.module_source }}"
WORKSPACE = "{{ cookiecutter.workspace }}"
ACCOUNT = "{{ cookiecutter.account }}"
RENDERED_BY_CRUFT = "{{ cookiecutter._commit | default('') }}" != ""


def drop_vendored_modules() -> None:
    """With modules from elsewhere, the vendored ones would only mislead, and tests of them could not run."""
    shutil.rmtree("modules", ignore_errors=True)
    for test in Path("tests").rglob("*.tftest.hcl"):
        if '"./modules/' in test.read_text(encoding="utf-8"):
            test.unlink()


def in_scratch_folder_of_cruft() -> bool:
    """`cruft diff` and `cruft update` render where nobody looks, and the diff goes to the same stream."""
    return RENDERED_BY_CRUFT and Path(tempfile.gettempdir()).resolve() in Path.cwd().parents


def next_steps() -> str:
    # The hook runs inside the project; PWD is still where the user's shell stands.
    folder = min(os.path.relpath(Path.cwd(), os.environ.get("PWD")), str(Path.cwd()), key=len)
    on_aws = f"invoke deploy -w {WORKSPACE}"
    if not ACCOUNT:
        on_aws = f"invoke bootstrap -w {WORKSPACE} --account 123456789012 && {on_aws}"
    return f"""
The project is in {folder}. What comes next:

    cd {shlex.quote(folder)}
    python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt

On this machine, without an AWS account:

    invoke local.up
    invoke deploy -w local

On AWS, with credentials for the account{"" if ACCOUNT else " (put its number in place of 123456789012)"}:

    {on_aws}
"""


if MODULE_SOURCE != "./modules":
    drop_vendored_modules()
if not in_scratch_folder_of_cruft():
    print(next_steps())
