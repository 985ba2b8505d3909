"""Keys that are made from names."""

from __future__ import annotations

import pytest
from django.db.models import Model
from hypothesis import given
from hypothesis import strategies as st

from jobs.models import Credential, Job, Table, Workflow
from openfn_platform.common.models import KEY_LENGTH, free_key, valid_key
from openfn_platform.projects.models import Project
from triggers.models import Trigger


@given(st.text(max_size=120))
def test_every_name_makes_a_key_that_is_taken(name: str) -> None:
    key = free_key(name, Project.objects.none())
    valid_key(key)
    assert len(key) <= KEY_LENGTH


@pytest.mark.parametrize(
    ("name", "key"),
    [("dhis2_prod", "dhis2-prod"), ("__init__", "init"), ("A _ b", "a-b"), ("ក្រសួង", "project")],
)
def test_a_name_is_still_known_in_its_key(name: str, key: str) -> None:
    assert free_key(name, Project.objects.none()) == key


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (Workflow, "workflow"),
        (Job, "job"),
        (Trigger, "trigger"),
        (Credential, "credential"),
        (Table, "table"),
    ],
)
def test_a_name_without_latin_letters_gets_the_word_for_what_it_is(model: type[Model], key: str) -> None:
    assert free_key("ជំរាបសួរ", model._default_manager.none()) == key
