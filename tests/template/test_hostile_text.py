"""A project's name is free text: whatever is accepted arrives unharmed, and opens no way into any file."""

from __future__ import annotations

import docutils.core
import hcl2
import pytest
import yaml
from datacube_wms_answers import names, quoting, rules
from hypothesis import given, settings
from hypothesis import strategies as st

from template_answers import HOSTILE

ACCEPTED = [name for name in HOSTILE if rules.project_name(name) is None]
# What may do harm at the beginning of a line, and then everything else, as much of it in one name as it takes.
NAMES = ["..", "====", "- a", "# a", ": x", "* star", "1. Maps", "!!python/object:os.system", "%{ if true }"]
for snippet in ACCEPTED:
    joined = f"{NAMES[-1]} {snippet}"
    if rules.project_name(joined) is None:
        NAMES[-1] = joined
    else:
        NAMES.append(snippet)


def test_a_good_part_of_the_hostile_text_is_accepted():
    assert len(ACCEPTED) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_lands_safely_in_every_file(name, bake):
    project = bake(project_name=name, project_slug="maps")
    assert yaml.safe_load((project / "invoke.yaml").read_text(encoding="utf-8"))["project"]["name"] == name
    readme = (project / "README.rst").read_text(encoding="utf-8")
    strict = {"halt_level": 2, "report_level": 2}
    assert docutils.core.publish_doctree(readme, settings_overrides=strict)["title"] == name
    hcl2.loads((project / "main.tf").read_text(encoding="utf-8"))


PRINTABLE = st.text(min_size=1, max_size=60).filter(lambda text: rules.project_name(text) is None)


@given(PRINTABLE)
@settings(deadline=None, max_examples=300, derandomize=True)
def test_yaml_gives_back_what_was_put_in(text):
    assert yaml.safe_load(f"name: {quoting.yaml(text)}\n") == {"name": text}


@given(PRINTABLE)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_a_readme_gives_back_what_was_put_in(text):
    document = docutils.core.publish_doctree(
        f"{quoting.rst_title(text)}\n\nText.\n", settings_overrides={"halt_level": 2, "report_level": 2}
    )
    assert document["title"] == " ".join(text.split())


@given(st.text(max_size=80))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_any_name_gives_a_slug_that_the_rules_accept(text):
    assert rules.name(names.default_slug(text)) is None
