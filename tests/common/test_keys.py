"""Keys that are made from names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.models import KEY_LENGTH, free_key, valid_key
from openfn_platform.projects.models import Project


@given(st.text(max_size=120))
def test_every_name_makes_a_key_that_is_taken(name: str) -> None:
    key = free_key(name, Project.objects.none())
    valid_key(key)
    assert len(key) <= KEY_LENGTH


@pytest.mark.parametrize(
    ("name", "key"),
    [("dhis2_prod", "dhis2-prod"), ("__init__", "init"), ("A _ b", "a-b"), ("ក្រសួង", "unnamed")],
)
def test_a_name_is_still_known_in_its_key(name: str, key: str) -> None:
    assert free_key(name, Project.objects.none()) == key
