"""A message trigger matches exactly what PostgreSQL's jsonb containment would, and says why it does not."""

import json
import os
import subprocess
import sys
import time
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggers.matching import MAX_NAMES, MAX_REASONS, Criteria, contains, explain, matches, matches_any

# ---- documents, and patterns made from them, so that both answers are common -----------------------------

names = st.sampled_from(["a", "b", "form", "@xmlns", "é", "日本", ""])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
numbers = st.one_of(
    st.sampled_from(
        [0, 1, 1.0, -0.0, 8, 0.1, 1e23, Decimal("1E+400"), Decimal("1.50"), 10**40, Decimal("0.1")]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars = st.one_of(st.none(), st.booleans(), st.sampled_from(["1", "8", "x", "true"]), texts, numbers)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def part_of(draw, document):
    """A pattern that the document contains: fewer keys, fewer elements, another order, some twice."""
    if isinstance(document, dict):
        return {name: part_of(draw, value) for name, value in document.items() if draw(st.booleans())}
    if isinstance(document, list):
        kept = [part_of(draw, element) for element in document if draw(st.booleans())]
        return draw(st.permutations(kept + kept[: draw(st.integers(0, 1))]))
    if type(document) is int and abs(document) < 2**53 and draw(st.booleans()):
        return draw(st.sampled_from([float(document), Decimal(document)]))
    return document


def changed(draw, document):
    """The same with one place replaced."""
    if isinstance(document, (dict, list)) and document and draw(st.integers(0, 4)):
        copy = document.copy()
        place = draw(st.sampled_from(list(copy) if isinstance(copy, dict) else range(len(copy))))
        copy[place] = changed(draw, copy[place])
        return copy
    return draw(scalars | st.just({}) | st.just([]) | st.just([document]) | st.just({"a": document}))


@st.composite
def patterns(draw, body):
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(documents)
    pattern = part_of(draw, body)
    if kind == 1 and isinstance(body, list) and body:
        return part_of(draw, draw(st.sampled_from(body)))  # a bare element of the array at the top
    return changed(draw, pattern) if kind > 5 else pattern


@st.composite
def cases(draw):
    body = draw(st.dictionaries(names, documents, max_size=4) | st.lists(documents, max_size=4) | documents)
    return (
        body,
        draw(patterns(body)),
        draw(st.one_of(st.none() | st.just({}), patterns(body), patterns(body))),
    )


def text_of(document):
    """JSON that keeps decimals, which json.dumps does not know."""
    if isinstance(document, dict):
        pairs = (f"{json.dumps(name)}: {text_of(value)}" for name, value in document.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(document, list):
        return "[" + ", ".join(map(text_of, document)) + "]"
    return str(document) if isinstance(document, Decimal) else json.dumps(document)


# ---- the reference ---------------------------------------------------------------------------------------

REFERENCE = """
select body @> inclusion, body @> inclusion
       and (exclusion is null or exclusion in ('null', '{}', '[]') or not body @> exclusion)
from unnest(%s::text[], %s::text[], %s::text[]) with ordinality as t(b, i, e, n),
     lateral (select b::jsonb as body, i::jsonb as inclusion, e::jsonb as exclusion) as j
order by n
"""


@pytest.fixture(scope="module")
def postgresql():
    dsn = os.environ.get("DATABASE_URL", "")
    if not dsn.startswith("postgres"):
        pytest.skip("DATABASE_URL names no PostgreSQL to compare with")
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def test_postgresql_gives_the_same_answers(postgresql):
    answers = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(cases(), min_size=4, max_size=12))
    def compare(batch):
        columns = [[text_of(case[part]) for case in batch] for part in range(3)]
        expected = postgresql.execute(REFERENCE, columns).fetchall()
        got = [(contains(body, wanted), matches(body, wanted, unwanted)) for body, wanted, unwanted in batch]
        assert got == expected
        answers.extend(got)

    compare()
    # A comparison that only ever met one of the answers would prove nothing.
    assert sum(contained for contained, _ in answers) > 50
    assert sum(not contained for contained, _ in answers) > 50
    assert sum(contained and not matched for contained, matched in answers) > 20


@pytest.mark.parametrize(
    ("body", "pattern", "expected"),
    [
        ([1, 2], 1, True),
        ([[1, 2]], 1, False),
        ({"a": [1]}, {"a": 1}, False),
        (1, [1], False),
        (1, [], False),
        ([1], [], True),
        ({}, [], False),
        ([{}], {}, False),
        ({"a": []}, {"a": {}}, False),
        ([None], None, True),
        ([1], [1, 1], True),
        ([[1], [2]], [[1, 2]], False),
        ([{"a": 1, "b": 2}], [{"a": 1}, {"b": 2}], True),
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (8, "8", False),
        (10**23, 1e23, True),
        (0.1, Decimal("0.1"), True),
        (10**400, Decimal("1E+400"), True),
        (Decimal("1E+400"), Decimal("1E+500"), False),
        ({"é": "日本"}, {"é": "日本"}, True),
        ({"é": 1}, {"e\u0301": 1}, False),
    ],
)
def test_special_cases_of_containment(postgresql, body, pattern, expected):
    row = postgresql.execute("select %s::jsonb @> %s::jsonb", [text_of(body), text_of(pattern)]).fetchone()
    assert contains(body, pattern) is row[0] is expected


@pytest.mark.parametrize(
    ("body", "inclusion", "exclusion", "expected"),
    [
        ({"formID": "patient_registration_v7"}, {"formID": "patient_registration_v7"}, None, True),
        ({"formID": "patient_registration_v8"}, {"formID": "patient_registration_v7"}, None, False),
        ({"name": "john doe"}, {"name": "john doe"}, {"allowedToShare": False}, True),
        (
            {"name": "john doe", "allowedToShare": False},
            {"name": "john doe"},
            {"allowedToShare": False},
            False,
        ),
        ({"data": [{"a": 1}, {"b": 2, "c": 3}]}, {"data": [{"b": 2}]}, None, True),
        ({"data": [{"a": 1}, {"b": 2}]}, {"data": [{"a": 1, "b": 2}]}, None, False),
        ({"anything": 1}, {}, {}, True),
        ([1], [1], [], True),
    ],
)
def test_an_exclusion_excludes_and_an_empty_one_does_not(body, inclusion, exclusion, expected):
    assert matches(body, inclusion, exclusion) is expected


def test_any_pair_is_enough_and_none_is_not():
    no, yes = Criteria({"a": 2}), Criteria({"a": 1}, {"b": 1})
    assert matches_any({"a": 1}, [no, yes])
    assert not matches_any({"a": 1, "b": 1}, [no, yes])
    assert not matches_any({"a": 1}, [])


# ---- why not ---------------------------------------------------------------------------------------------


@given(st.data())
def test_an_explanation_is_empty_exactly_when_it_matches(data):
    body, inclusion, exclusion = data.draw(cases())
    reasons = explain(body, inclusion, exclusion)
    assert (reasons == []) is matches(body, inclusion, exclusion)
    assert len(reasons) <= MAX_REASONS + 2


@pytest.mark.parametrize(
    ("body", "inclusion", "exclusion", "reason"),
    [
        ({"form": {"type": "visit"}}, {"form": {"type": "registration"}}, None, '`form.type` is "visit", not "registration"'),
        ({"form": {"name": 1, "dob": 2}}, {"form": {"consent": True}}, None, "`form.consent` is missing; `form` has: name, dob"),
        ({}, {"form": 1}, None, "`form` is missing; the message is an empty object"),
        ({"n": 8}, {"n": "8"}, None, '`n` is the number 8, not the text "8"'),
        ({"n": "true"}, {"n": True}, None, '`n` is the text "true", not true'),
        ([1], {"a": 1}, None, "the message is a list of 1 entry, not an object with: a"),
        ({"tags": ["x", "y"]}, {"tags": ["z"]}, None, '`tags` has no entry "z"; it has: "x", "y"'),
        ({"d": [{"a": 1}]}, {"d": [{"a": 2}]}, None, "`d[0].a` is 1, not 2"),
        ({"d": [{"a": 1}, {"a": 3}]}, {"d": [{"a": 2}]}, None, 'none of the 2 entries of `d` contains {"a": 2}'),
        ({"a.b": {"c d": 1}}, {"a.b": {"c d": 2}}, None, '`["a.b"]["c d"]` is 1, not 2'),
        ({"s": False}, {}, {"s": False}, "excluded because `s` is false"),
        ({"s": {"t": 1, "u": 2}}, {}, {"s": {"t": 1, "u": 2}}, "excluded because `s.t` is 1 and `s.u` is 2"),
        ([1, 2], 3, None, "the message has no entry 3; it has: 1, 2"),
        ([1, 2], [1], 1, "excluded because the message is or contains 1"),
    ],
)  # fmt: skip
def test_the_reason_names_the_place_what_is_there_and_what_was_wanted(body, inclusion, exclusion, reason):
    assert explain(body, inclusion, exclusion) == [reason]


def test_explanations_stay_short_whatever_is_sent():
    body = {f"key{number}" * 50: "x" * 10_000 for number in range(1000)}
    reasons = explain(
        body, {f"other{number}" * 50: 1 for number in range(1000)}, dict(list(body.items())[:20])
    )
    assert len(reasons) == MAX_REASONS + 2
    assert f"and {1000 - MAX_NAMES} more" in reasons[0]
    assert max(map(len, reasons)) < 2000


def test_what_cannot_be_stored_or_printed_is_escaped():
    [reason] = explain({"a": "\0\ud800`"}, {"a": 10**5000})
    assert reason == '`a` is the text "\\u0000\\ud800\'", not the number 1.000E+5000'
    reason.encode()


# ---- size ------------------------------------------------------------------------------------------------


def nested(depth, leaf, *, as_list):
    document = leaf
    for _ in range(depth):
        document = [document] if as_list else {"a": document}
    return document


@pytest.mark.parametrize("as_list", [True, False])
def test_five_thousand_levels_are_no_problem(as_list):
    body = nested(5000, 1, as_list=as_list)
    assert matches(body, nested(5000, 1, as_list=as_list))
    assert not matches(body, nested(5000, 2, as_list=as_list))
    assert matches(body, {} if not as_list else [], nested(5000, 2, as_list=as_list))
    [reason] = explain(body, nested(5000, 2, as_list=as_list), nested(4999, 2, as_list=as_list))
    assert reason.endswith("has no entry 2; it has: 1" if as_list else "` is 1, not 2")
    assert len(reason) < 200
    assert explain(body, [] if as_list else {}, body)[0].startswith("excluded because ")
    assert len(explain([body, body], [nested(5000, 2, as_list=as_list)])[0]) < 200


def test_big_arrays_are_searched_by_looking_up_not_by_comparing_all():
    body = {"ids": list(range(200_000)), "rows": [{"id": number, "on": [number]} for number in range(20_000)]}
    wanted = {
        "ids": list(range(0, 200_000, 2)),
        "rows": [{"id": number, "on": [number]} for number in range(100)],
    }
    began = time.perf_counter()
    assert matches(body, wanted)
    assert not matches(body, {"rows": [{"id": number, "on": [-1]} for number in range(19_900, 20_000)]})
    assert time.perf_counter() - began < 5


def test_the_pure_modules_load_neither_django_nor_celery():
    code = (
        "import sys, triggers.matching, triggers.cron, triggers.schedules\n"
        "print(sorted({'django', 'celery', 'rest_framework'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
