"""JSON that nobody would think of, made up by hypothesis, through the inbox and through writes of the API.

Half surrogate pairs, NULs, numbers without end, nesting, odd keys: no answer is 500 or more, every refusal is a problem
document with a sentence, and nothing is stored unless the answer is 2xx.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.badinput.scene import Scene
from tests.triggers.serving import Answer

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from('\0\x1b\u202e\ufeff\ud800\udfff\U0010ffff"\\')), max_size=20
)
# As they stand in a body: not all of them are numbers, and of those not all fit anywhere.
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["1e999", "-1e400", "9" * 400, "9" * 5_000, "1e-999", "-0", "0.1" + "0" * 400, "NaN", "Infinity"]
    ),
)


class Raw(str):
    """Written as it is."""


def written(value: Any) -> str:
    """JSON text, which may say a key twice or a number that none is."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, tuple):
        return f"{{{', '.join(f'{json.dumps(key)}: {written(inner)}' for key, inner in value)}}}"
    return json.dumps(value)


def deep(levels: int) -> Raw:
    return Raw("[" * levels + "]" * levels)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        TEXTS,
        NUMBERS.map(Raw),
        st.sampled_from([50, 99, 150, 3_000, 60_000]).map(deep),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(st.tuples(TEXTS, inner), max_size=4).map(tuple)
    ),
    max_leaves=8,
)


@pytest.fixture
def _django_db_helper(scene: Scene) -> None:
    """In place of pytest-django's, which would empty the database after each of these many tests."""


def held(scene: Scene, answer: Answer | None, before: dict[str, tuple[int, int]]) -> None:
    """The rule."""
    assert answer is not None, "it hung up"
    assert answer.status < 500, (answer.status, answer.body)
    if answer.status >= 300:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == answer.status
        assert len(answer.json["detail"]) > 10
        assert answer.json["detail"].endswith((".", "!")), answer.json
        assert scene.stored() == before


@EXAMPLES
@given(value=VALUES, cut=st.integers(0, 3), mark=st.booleans())
def test_no_json_breaks_the_inbox(scene: Scene, value: Any, cut: int, mark: bool):
    raw = (b"\xef\xbb\xbf" if mark else b"") + written(value).encode("utf-8", "surrogatepass")
    before = scene.stored()
    held(scene, scene.inbox(raw[: len(raw) - cut]), before)


WRITES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a draft": ("PUT", "jobs/{job}/draft", ("code", "connections", "settings", "limits", "retry", "note")),
    "rows of a table": ("POST", "tables/{table}/rows", ("rows", "mode", "ttl")),
    "one row": ("PUT", "tables/{table}/rows/a", ("value", "ttl", "expires_at")),
    "a start": ("POST", "jobs/{job}/run", ("data", "state", "message", "run")),
    "a member": ("POST", "members", ("email", "role", "may_see_data")),
    "a trigger": (
        "POST",
        "triggers",
        ("name", "kind", "workflow", "jobs", "criteria", "schedule", "settings"),
    ),
}
FITTING = {
    "code": "x = 1",
    "email": "nobody@clinic.example",
    "role": "viewer",
    "name": "x",
    "kind": "message",
    "workflow": "main",
    "rows": [(("key", "a"), ("value", 1))],
}


@pytest.mark.parametrize("name", WRITES)
@EXAMPLES
@given(data=st.data())
def test_no_json_breaks_the_api(scene: Scene, name: str, data: st.DataObject):
    """Of the fields that there are, some fit and one does not; now and then the whole body does not."""
    method, path, fields = WRITES[name]
    odd = data.draw(st.sampled_from(fields))
    body: Any = [(field, FITTING[field]) for field in fields if field in FITTING and field != odd]
    body = (*body, (odd, data.draw(VALUES)))
    if odd == "rows":
        body = (("rows", [(("key", data.draw(TEXTS)), ("value", data.draw(VALUES)))]),)
    if data.draw(st.integers(0, 9)) == 0:
        body = data.draw(VALUES)
    raw = written(body).encode("utf-8", "surrogatepass")
    before = scene.stored()
    held(scene, scene.api(method, path.format(**scene.things), raw=raw), before)
