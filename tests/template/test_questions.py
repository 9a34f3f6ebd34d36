"""The questions themselves: what a person is asked, in which words, and what one gets without answering."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from datacube_wms_answers import questions, rules

from template_answers import BAD_ANSWERS, CHANGED, VARIANTS


@pytest.fixture(scope="module")
def declared(template: Path) -> dict:
    return json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))


def test_there_are_at_most_sixteen_questions_and_each_is_asked_in_words(declared):
    assert len(questions.NAMES) <= 16
    assert set(declared["__prompts__"]) == set(questions.NAMES)


def test_no_prompt_holds_a_square_bracket_which_rich_would_swallow(declared):
    prompts = json.dumps(list(declared["__prompts__"].values()))
    assert "[" not in prompts.strip("[]") and "]" not in prompts.strip("[]")


@pytest.mark.parametrize("question", questions.CHOICES)
def test_each_choice_has_a_label_and_the_first_is_recommended(declared, question):
    labels = declared["__prompts__"][question]
    first, *others = questions.CHOICES[question]
    assert "(recommended)" in labels[first]
    assert all(other in labels and "recommended" not in labels[other] for other in others)


def test_nothing_secret_and_no_date_is_asked_for():
    suspicious = ("password", "secret", "token", "access_key", "date", "year")
    assert not [name for name in questions.NAMES if any(word in name for word in suspicious)]


def test_the_last_answer_is_checked_too_because_something_is_rendered_after_it(declared):
    names = list(declared)
    assert names[names.index(questions.NAMES[-1]) + 1] == "__checked"


def test_every_question_has_a_rule_a_changed_answer_and_bad_answers():
    assert list(rules._RULES) and set(rules._RULES) == set(questions.NAMES) == set(CHANGED)
    assert set(BAD_ANSWERS) == set(questions.NAMES) - set(questions.CHOICES)


def test_the_variants_hold_every_value_of_every_choice_and_a_change_of_every_other_question():
    for question in questions.NAMES:
        given = {answers[question] for answers in VARIANTS.values() if question in answers}
        assert given >= set(questions.CHOICES.get(question, ())), question
        assert given, question


def test_without_answers_the_project_is_the_documented_one(default_project):
    project = yaml.safe_load((default_project / "invoke.yaml").read_text(encoding="utf-8"))["project"]
    assert default_project.name == project["slug"] == project["cluster"] == "datacube-wms"
    assert (default_project / "workspaces" / "local.tfvars").is_file()
    assert (default_project / "workspaces" / "dev.tfvars").is_file()
