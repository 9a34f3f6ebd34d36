"""What follows from the answers: names, addresses and the place of the state."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from slugify import slugify

from . import questions, rules


def default_slug(project_name: str) -> str:
    """A slug that the rules accept, as close to the name as they allow."""
    for words in (project_name, f"wms {project_name}"):
        slug = slugify(words, max_length=rules.LONGEST_NAME, word_boundary=True)
        if rules.name(slug) is None:
            break
    return slug


def backend_key(answers: dict[str, Any]) -> str:
    """Where Terraform keeps the state, inside the bucket.

    The slug makes it readable; the hash keeps two projects of one slug apart when anything else that names
    them differs. It holds nothing that changes while a project lives: no account, no workspace, no date.
    """
    identity = "|".join(answers[part] for part in ("project_name", "project_slug", "owner", "cluster"))
    return f"{answers['project_slug']}-{hashlib.sha1(identity.encode()).hexdigest()[:7]}/terraform.tfstate"


def module_address(module_source: str, module: str) -> str:
    """The address of one module below `module_source`: `./modules/vpc`, `git::https://…//modules/vpc?ref=v1`."""
    address, question_mark, version = module_source.partition("?")
    below_repository = "//" in address.partition("://")[2] or not address.startswith("git::")
    return f"{address.rstrip('/')}{'/' if below_repository else '//'}{module}{question_mark}{version}"


def template_address(asked_for: str) -> str:
    """Where the template came from, from wherever it was asked for: never relative, and without a password."""
    if "://" in asked_for:
        parts = urlsplit(asked_for)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if os.path.isabs(asked_for) or re.match(r"(gh|gl|bb):|[\w.-]+@[\w.-]+:", asked_for):
        return asked_for
    return str(questions.TEMPLATE)
