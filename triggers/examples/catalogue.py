"""The messages that partner systems send, as examples: what they look like, how to have them sent here, and the
criteria that a person would start from. Pure.

One file each in `messages/`, under its key. `body` is JSON; of another type it is a list: the lines of an XML or
multipart body, the encoded fields of a form. All persons, numbers and ids in them are made up. A file that is
wrong is found by the first use, by its name; the tests post each of them to a real inbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from triggers.bodies import Kind, Refused, kind_of
from triggers.parsing import document

FOLDER = Path(__file__).parent / "messages"
_BETWEEN = {Kind.XML: "\n", Kind.FORM: "&", Kind.MULTIPART: "\r\n"}


class BadExample(ValueError):
    """A file of examples that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Criteria to start from."""

    title: str
    inclusion: Any
    exclusion: Any = None

    @property
    def pair(self) -> dict[str, Any]:
        """As a trigger keeps it."""
        pair = {"inclusion": self.inclusion}
        return pair if self.exclusion is None else {**pair, "exclusion": self.exclusion}


@dataclass(frozen=True, kw_only=True)
class Example:
    """One message as a system sends it."""

    key: str
    system: str
    title: str
    what: str
    how: str  # to switch it on in the partner system
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content_type: str
    kind: Kind
    text: str  # the body as it is sent; of JSON, laid out for people
    parsed: Any  # what triggers match and jobs get
    duplicate_path: str  # where the sender's own id stands; empty if it has none that stands once
    suggestions: tuple[Suggestion, ...]

    @property
    def raw(self) -> bytes:
        return self.text.encode()


def example_named(key: str) -> Example | None:
    return examples().get(key)


def by_system() -> list[tuple[str, list[Example]]]:
    """All of them, the systems in the order of their names, what fits any other at the end."""
    ordered = sorted(
        examples().values(), key=lambda each: (each.key.startswith("generic"), each.system.lower())
    )
    return [(system, list(group)) for system, group in groupby(ordered, key=lambda each: each.system)]


@cache
def examples() -> Mapping[str, Example]:
    """By key. Read once."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.json"))}


def _read(path: Path) -> Example:
    try:
        return example_of(json.loads(path.read_text("utf-8")), key=path.stem)
    except (BadExample, Refused, ValueError) as error:
        raise BadExample(f"{path.name}: {error}") from error


def example_of(told: Any, *, key: str) -> Example:
    """The example that a file tells. Raises BadExample, or the refusal that its body would get."""
    known = {"key", "system", "title", "what", "how", "request", "body", "duplicate_path", "suggestions"}
    _fields("the file", told, known)
    request = told["request"]
    _fields("`request`", request, {"method", "query", "headers", "content_type"})
    if told["key"] != key:
        raise BadExample("`key` is not the name of the file")
    if request["method"] != "POST":
        raise BadExample("inboxes take POST only")
    content_type = _sentence(request, "content_type")
    kind = kind_of(content_type)
    if kind is None:
        raise BadExample(f"no inbox takes {content_type}")
    text = _text(told["body"], kind)
    return Example(
        key=key,
        **{name: _sentence(told, name) for name in ("system", "title", "what", "how")},
        method="POST",
        query=_texts(request, "query"),
        headers=_texts(request, "headers"),
        content_type=content_type,
        kind=kind,
        text=text,
        parsed=document(text.encode(), kind=kind, content_type=content_type).body,
        duplicate_path=str(told["duplicate_path"]),
        suggestions=_suggestions(told["suggestions"]),
    )


def _text(body: Any, kind: Kind) -> str:
    if kind is Kind.JSON:
        return json.dumps(body, indent=2, ensure_ascii=False)
    if not isinstance(body, list) or not all(isinstance(line, str) for line in body):
        raise BadExample("a `body` that is not JSON is a list of lines or fields")
    return _BETWEEN[kind].join(body)


def _suggestions(told: Any) -> tuple[Suggestion, ...]:
    if not isinstance(told, list) or not told:
        raise BadExample("`suggestions` is a list of at least one")
    for each in told:
        _fields("a suggestion", each, {"title", "inclusion"}, {"exclusion"})
        _sentence(each, "title")
    return tuple(Suggestion(**each) for each in told)


def _fields(what: str, told: Any, wanted: set[str], allowed: Sequence[str] | set[str] = ()) -> None:
    if not isinstance(told, dict):
        raise BadExample(f"{what} is not an object")
    lacking, strange = wanted - set(told), set(told) - wanted - set(allowed)
    if lacking or strange:
        raise BadExample(f"{what} lacks or has too much: {', '.join(sorted(lacking | strange))}")


def _sentence(told: Mapping[str, Any], name: str) -> str:
    text = told[name]
    if not isinstance(text, str) or not text.strip():
        raise BadExample(f"`{name}` is empty")
    return text


def _texts(told: Mapping[str, Any], name: str) -> dict[str, str]:
    found = told[name]
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadExample(f"`{name}` is an object of texts")
    return found
