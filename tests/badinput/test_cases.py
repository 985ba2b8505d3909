"""Every case of the list of bad inputs, by its number, at the door where it would come in.

The rule: no answer is 500 or more; every refusal is a problem document, or a page, with a sentence that a person can
act on; and nothing is stored unless the answer is 2xx.
"""

from __future__ import annotations

import pytest

from tests.badinput import api_cases, inbox_cases, page_cases, text_cases
from tests.badinput.inbox_cases import Ask
from tests.badinput.scene import Scene

DOORS = (inbox_cases, api_cases, page_cases, text_cases)
CASES: dict[str, Ask] = {name: ask for door in DOORS for name, ask in door.CASES.items()}
HOW_MANY = 74
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _django_db_helper(scene: Scene) -> None:
    """In place of pytest-django's, which would empty the database after each of these many tests."""


def number_of(name: str) -> int:
    return int(name.split(" ")[0])


def test_no_case_is_left_out():
    assert {number_of(name) for name in CASES} == set(range(1, HOW_MANY + 1))
    assert len(CASES) == sum(len(door.CASES) for door in DOORS), "two cases of one name"


@pytest.mark.parametrize("name", list(CASES))
def test_a_bad_input_does_no_harm(scene: Scene, name: str):
    CASES[name](scene)
