"""The answers to this template's questions: checked as they are given, and written so that they stay data.

Cookiecutter loads `Answers` because `cookiecutter.json` names it under `_extensions`. It is the door and
nothing more: `cruft update` renders two versions of the template in one process, and Python would hand the
second one the modules of the first. So the door stays as it is from version to version, and what is behind
it is loaded afresh from the template's folder for each Jinja environment.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from jinja2 import Environment
from jinja2.ext import Extension


def _loaded_afresh() -> ModuleType:
    for name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
        del sys.modules[name]
        globals().pop(name.rpartition(".")[2], None)  # `from . import x` looks here before it imports
    importlib.invalidate_caches()
    # Two checkouts within one second look the same to Python's bytecode cache, so none is kept.
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(f"{__name__}.environment")
    finally:
        sys.dont_write_bytecode = kept


class Answers(Extension):
    """Gives a Jinja environment the template's filters, and checks every answer before anything is rendered."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._behind = _loaded_afresh()
        self._behind.install(environment)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return self._behind.answers_as_data(source, name)
