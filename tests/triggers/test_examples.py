"""The example messages: whole, right about themselves, and of nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from triggers.bodies import Kind, Refused
from triggers.examples.catalogue import (
    FOLDER,
    BadExample,
    Example,
    by_system,
    example_named,
    example_of,
    examples,
)
from triggers.matching import explain, matches
from triggers.receiving import at_path
from triggers.specs import criteria_checked

ALL = list(examples().values())
BY_KEY = pytest.mark.parametrize("example", ALL, ids=lambda example: example.key)

# Everybody who occurs in them. “Mfano”, “Sampuli” and “Majaribio” mean example, sample and trial.
INVENTED = {"Amina", "Zawadi", "Juma", "Mfano", "Sampuli", "Majaribio", ""}
NAMED = re.compile(
    r"^(first_?name|middle_?name|last_?name|given|family|case_name|head_name|ExAttribut1"
    r"|.*\[name\]|.*/head_name|ReceiverPartyPublicName)$",
    re.I,
)
# Numbers kept free for fiction, or of which nearly every digit is a zero.
FICTION = re.compile(r"^\+?(254700000\d\d\d|12025550\d\d\d|447700900\d\d\d|15550100100)$")
NUMBER = re.compile(r"^\+\d+$|^(254|255|256|44)\d{9}$|^1\d{10}$")
# What else has a name.
THINGS = {"Antenatal reminders", "Example Health Centre", "Example SMS", "Example registry", "Danger sign"}


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def test_each_system_of_the_promise_has_its_examples():
    keys = set(examples())
    for system, least in {
        "commcare": 5, "dhis2": 3, "kobo": 1, "odk": 3, "rapidpro": 2, "twilio": 2, "africastalking": 2, "telerivet": 2,
        "vonage": 2, "whatsapp": 2, "mpesa": 5, "openmrs": 2, "fhir": 3, "primero": 1, "openhim": 1, "generic": 1,
    }.items():  # fmt: skip
        assert sum(key.startswith(system) for key in keys) >= least, system
    assert {example.kind for example in ALL} == set(Kind)


def test_they_are_listed_by_system_and_what_fits_any_comes_last():
    listed = by_system()
    assert [example for _system, found in listed for example in found] != []
    assert sorted(example.key for _system, found in listed for example in found) == sorted(examples())
    assert len({system for system, _ in listed}) == len(listed)
    assert listed[-1][0] == "Any other system"


@BY_KEY
def test_what_it_says_of_itself_is_written_for_people(example: Example):
    assert example.what.endswith(".")
    assert example.how.endswith(".")
    assert "inbox" in example.how
    assert 10 < len(example.title) < 90 or example.title == "A JSON object"


@BY_KEY
def test_its_suggestions_can_be_criteria_and_match_it(example: Example):
    for suggestion in example.suggestions:
        criteria_checked([suggestion.pair])
        why = explain(example.parsed, suggestion.inclusion, suggestion.exclusion)
        assert matches(example.parsed, suggestion.inclusion, suggestion.exclusion), why
        assert suggestion.pair != {"inclusion": {}}, "that is no suggestion"


@BY_KEY
def test_its_suggestions_match_no_message_of_another_system(example: Example):
    for other in ALL:
        for suggestion in example.suggestions:
            if other.system != example.system and matches(
                other.parsed, suggestion.inclusion, suggestion.exclusion
            ):
                pytest.fail(f"“{suggestion.title}” also matches {other.key}")


@BY_KEY
def test_where_it_says_its_id_stands_one_stands(example: Example):
    if example.duplicate_path:
        found = at_path(example.parsed, example.duplicate_path)
        assert isinstance(found, str)
        assert len(found) > 5
    else:
        # What comes again with each change or step must not be taken for one message.
        assert "no id of" in example.what + example.how or example.key.startswith(
            ("dhis2", "openmrs_event", "odk", "commcare_case", "rapidpro", "openhim")
        )


@BY_KEY
def test_everybody_in_it_is_made_up(example: Example):
    for name, value in leaves(example.parsed):
        text = str(value)
        if NAMED.match(name):
            words = re.sub(r"^\d+ - ", "", text).split(" ")
            assert set(words) <= INVENTED, (name, text)
        if name == "name":
            assert text in THINGS or set(text.split(" ")) <= INVENTED, text
        if NUMBER.match(text):
            assert FICTION.match(text), (name, text)
        assert "@" not in text, (name, text)
        for host in re.findall(r"https?://([^/\"\s]+)", text):
            assert host in NAMESPACES or host.endswith("example.org"), (name, host)


NAMESPACES = {
    "openrosa.org",
    "commcarehq.org",
    "dev.commcarehq.org",
    "www.w3.org",
}


@BY_KEY
def test_the_names_of_people_are_where_the_test_before_looks(example: Example):
    for name, value in leaves(example.parsed):
        if set(str(value).split(" ")) & (INVENTED - {""}) and name not in ("name", "xml", "Value"):
            assert NAMED.match(name), (name, value)


# --- what the catalogue refuses ---------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "key": "k",
    "system": "S",
    "title": "T",
    "what": "W.",
    "how": "H.",
    "request": {"method": "POST", "query": {}, "headers": {}, "content_type": "application/json"},
    "body": {"a": 1},
    "duplicate_path": "",
    "suggestions": [{"title": "T", "inclusion": {"a": 1}}],
}


def spoilt(**changes: Any) -> dict[str, Any]:
    told = deepcopy(GOOD)
    for name, value in changes.items():
        if name in told["request"]:
            told["request"][name] = value
        elif value is None:
            del told[name]
        else:
            told[name] = value
    return told


def test_a_file_is_read_into_an_example():
    read = example_of(GOOD, key="k")
    assert (read.parsed, read.kind) == ({"a": 1}, Kind.JSON)
    assert read.suggestions[0].pair == {"inclusion": {"a": 1}}


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([], "not an object"),
        (spoilt(key="other"), "name of the file"),
        (spoilt(how=None), "how"),
        (spoilt(more=1), "more"),
        (spoilt(title=" "), "`title` is empty"),
        (spoilt(method="PUT"), "POST only"),
        (spoilt(content_type="text/csv"), "no inbox takes text/csv"),
        (spoilt(headers={"a": 1}), "`headers`"),
        (spoilt(content_type="text/xml"), "list of lines"),
        (spoilt(suggestions=[]), "at least one"),
        (spoilt(suggestions=[{"title": "T"}]), "inclusion"),
        (spoilt(suggestions=[{"title": "T", "inclusion": {}, "exclude": {}}]), "exclude"),
        (spoilt(body="text"), "object or list"),
        (spoilt(body=["<a>"], content_type="text/xml"), "not XML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(told: Any, says: str):
    with pytest.raises((BadExample, Refused), match=says):
        example_of(told, key="k")


def test_what_is_not_there_is_none():
    assert example_named("nothing") is None
    assert example_named("../catalogue") is None
    assert len(list(FOLDER.glob("*"))) == len(ALL)


def test_the_page_for_partners_names_every_system_and_every_place_of_an_id():
    page = (FOLDER.parents[2] / "docs" / "partners.md").read_text("utf-8")
    for example in ALL:
        assert example.duplicate_path in page
        assert example.system.split(" ")[0] in page or example.key == "generic_json", example.system
