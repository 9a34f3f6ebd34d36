"""Refuse to write over a project whose state lies elsewhere: what it has deployed would be lost from sight.

The answers themselves are checked earlier, before this hook and the project's folder exist
(`datacube_wms_answers/environment.py`). Pure file work, like every hook here: `cruft` runs them again.
"""

import re
import sys
from pathlib import Path

KEY = "{{ cookiecutter | backend_key }}"


def key_of(main_tf: Path) -> str:
    """The key in the backend block of an existing project, or KEY when there is none to lose."""
    if not main_tf.is_file():
        return KEY
    found = re.search(r'^\s*key\s*=\s*"([^"]*)"', main_tf.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else KEY


existing = key_of(Path("main.tf"))
if existing != KEY:
    sys.exit(
        f"This folder holds a project whose state is {existing}; these answers would make it {KEY}. "
        "Give the new project another project_slug, or answer as before; to take over a newer template, "
        "use: cruft update"
    )
