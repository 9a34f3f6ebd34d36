"""What the template adds to Jinja: its filters, and a check of the answers before each rendering.

Cookiecutter renders the default of every question, then the name of the project's folder, then the hooks
and the files, all with the same kind of template. Checking there means that a bad answer is refused before
the next question is asked, and before the first folder is made; when answers are replayed and under cruft,
with and without hooks, just the same.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment, Template

from . import names, questions, quoting, resume, rules

_JINJA = re.compile(r"\{\{|\{%|\{#")


class CheckedTemplate(Template):
    """A template that is rendered only with answers that hold."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        refuse_bad_answers(kwargs.get("cookiecutter", {}))
        return super().render(*args, **kwargs)


def refuse_bad_answers(context: dict[str, Any]) -> None:
    """Raise FailedHookException, which cookiecutter shows as it is, for the first answer that does not hold.

    `context` holds the answers so far: all of them while files are written, some while questions are asked.
    """
    answers = {name: context[name] for name in questions.NAMES if name in context}
    for name in answers:
        problem = rules.problem(name, answers)
        if problem:
            kept = {other: answer for other, answer in answers.items() if rules.problem(other, answers) is None}
            raise FailedHookException(f"{problem}\nTo go on: {resume.command(kept, refused=name)}")


def install(environment: Environment) -> None:
    environment.template_class = CheckedTemplate
    environment.filters.update(
        default_slug=names.default_slug,
        backend_key=names.backend_key,
        module_address=names.module_address,
        yaml=quoting.yaml,
        rst_title=quoting.rst_title,
    )
    environment.globals.update(template_version=questions.TEMPLATE_VERSION, template_address=names.template_address)


def answers_as_data(source: str, name: str | None) -> str:
    """Keep Jinja from running an answer.

    Cookiecutter renders answers that come from the command line, from a user's configuration or from cruft,
    but not those typed at a prompt. Here an answer is the same text whichever way it came.
    """
    if name is not None or not _JINJA.search(source) or source in _written_by_the_template():
        return source
    return "{{ " + json.dumps(source, ensure_ascii=False) + " }}"


@lru_cache(maxsize=1)
def _written_by_the_template() -> frozenset[str]:
    """Every text of the template that cookiecutter renders without saying which file it comes from."""
    texts = set(questions.texts())
    texts.update(hook.read_text(encoding="utf-8") for hook in (questions.TEMPLATE / "hooks").glob("*.py"))
    for project in questions.TEMPLATE.glob("{{*}}"):
        texts.add(project.name)
        for folder, _, files in os.walk(project):
            texts.update(os.path.relpath(os.path.join(folder, file), project) for file in files if "{{" in file)
    return frozenset(texts)
