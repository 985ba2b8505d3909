"""How an adaptor describes itself: what its credential needs and what it can do.

The operations are read off the client class, so that help and completion cannot drift from the code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaViolation

from jobs.adaptors.context import Context
from jobs.adaptors.errors import ConfigurationError

if TYPE_CHECKING:
    from jobs.adaptors.oauth import OAuthSpec

Method = TypeVar("Method", bound=Callable[..., Any])
URI = r"^https?://[^\s/?#@]+([/?#][^\s]*)?$"


class Client(Protocol):
    """What every adaptor's client offers besides its operations."""

    def test(self) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that a job can ask of a connection."""

    name: str  # as written after the alias: `create`, `fhir.get`
    signature: str  # `(path, data)`
    summary: str
    description: str
    example: str
    writes: bool  # intercepted in a dry run


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong with a credential's values. Never quotes a value."""

    field: str  # empty: the values as a whole
    sentence: str


@dataclass(frozen=True, kw_only=True)
class AdaptorSpec:
    """One adaptor."""

    name: str
    title: str
    summary: str
    schema: dict[str, Any] = field(repr=False)
    client: Callable[[dict[str, Any], Context], Any] = field(repr=False)
    oauth: OAuthSpec | None = None

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(_operations(self.client))

    def secrets(self) -> frozenset[str]:
        """Names of the fields that nobody may read back."""
        return frozenset(
            name
            for name, field_ in self.schema.get("properties", {}).items()
            if field_.get("writeOnly") is True
        )

    def check(self, configuration: dict[str, Any]) -> None:
        """Raise with a sentence that names the field, and never its value."""
        complaint = next(iter(self.complaints(configuration)), None)
        if complaint is not None:
            raise ConfigurationError(complaint.sentence)

    def complaints(self, configuration: dict[str, Any]) -> list[Complaint]:
        """All that is wrong, the plainest first."""
        violations = Draft202012Validator(self.schema).iter_errors(configuration)
        return [
            Complaint(
                field=_field(each), sentence=f"The credential for {self.title} {_sentence(each, self.schema)}"
            )
            for each in sorted(violations, key=lambda each: (len(each.absolute_path), str(each.message)))
        ]

    def connect(self, configuration: dict[str, Any], context: Context) -> Any:
        self.check(configuration)
        return self.client(configuration, context)

    def test(self, client: Client) -> str:
        """One sentence for *Test connection*; a failure raises."""
        return client.test()


def operation(*, example: str, writes: bool = False) -> Callable[[Method], Method]:
    """Marks a client's method as something that jobs may call. Its docstring is its help."""

    def mark(method: Method) -> Method:
        method.__operation__ = (example, writes)  # type: ignore[attr-defined]
        return method

    return mark


def text(
    title: str,
    description: str = "",
    *,
    when: Mapping[str, Sequence[Any]] | None = None,
    labels: Mapping[str, str] | None = None,
    lines: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """A text field of a credential. `when`, `labels` and `lines` are the notes that `fields` explains."""
    noted = {"description": description, "x-when": when, "x-labels": labels, "x-lines": lines}
    shown = {name: note for name, note in noted.items() if note}
    return {"type": "string", "title": title, **shown, **more}


def secret(title: str, description: str = "", **more: Any) -> dict[str, Any]:
    """A text field of a credential that nobody may read back."""
    return text(title, description, writeOnly=True, **more)


def certificate(description: str) -> dict[str, Any]:
    """The certificate of a partner's own authority. In several lines: PEM without its line breaks is unreadable."""
    return text("Certificate of their authority (PEM)", description, lines=3)


def address(title: str, description: str = "", *, example: str, **more: Any) -> dict[str, Any]:
    """The web address of a system."""
    return text(title, description, format="uri", pattern=URI, examples=[example], **more)


def credential(properties: dict[str, Any], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON Schema of one kind of credential."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(required),
    }


def operation_names(client: Any) -> list[str]:
    """What a client of that class can be asked for, as it is written after the alias."""
    return sorted(each.name for each in _operations(client))


def _operations(client: Any, prefix: str = "") -> Iterator[Operation]:
    names = [name for kind in reversed(inspect.getmro(client)) for name in vars(kind)]
    for name in dict.fromkeys(names):
        method = inspect.getattr_static(client, name)
        marked = getattr(method, "__operation__", None)
        if marked is not None and not name.startswith("_"):
            yield _operation(prefix + name, method, *marked)
    for group, kind in getattr(client, "groups", {}).items():
        yield from _operations(kind, f"{prefix}{group}.")


def _operation(name: str, method: Callable[..., Any], example: str, writes: bool) -> Operation:
    summary, _, description = inspect.cleandoc(method.__doc__ or "").partition("\n")
    signature = inspect.signature(method)
    shown = [each for each in signature.parameters.values() if each.name != "self"]
    return Operation(
        name=name,
        signature=str(
            signature.replace(
                parameters=[each.replace(annotation=inspect.Parameter.empty) for each in shown],
                return_annotation=inspect.Signature.empty,
            )
        ),
        summary=summary.strip(),
        description=description.strip(),
        example=inspect.cleandoc(example),
        writes=writes,
    )


def _field(violation: SchemaViolation) -> str:
    """The field that has to be changed."""
    if violation.absolute_path:
        return str(violation.absolute_path[0])
    present: Any = violation.instance if isinstance(violation.instance, dict) else {}
    expected: Any = violation.validator_value
    if violation.validator == "required":
        return next((str(each) for each in expected if each not in present), "")
    if violation.validator == "dependentRequired":
        given = (each for each in expected if each in present)
        return next(
            (str(lacking) for each in given for lacking in expected[each] if lacking not in present), ""
        )
    return ""


def _sentence(violation: SchemaViolation, schema: dict[str, Any]) -> str:
    # jsonschema's own messages quote the value, which may be the secret.
    path = [str(each) for each in violation.absolute_path]
    expected: Any = violation.validator_value
    rule: Any = violation.schema
    name = _titled(path[0], schema) if path else ""
    if violation.validator == "required":
        present = violation.instance if isinstance(violation.instance, dict) else {}
        missing = next((each for each in expected if each not in present), "")
        return f"lacks {_titled(missing, schema)}."
    if violation.validator == "dependentRequired":
        present = violation.instance if isinstance(violation.instance, dict) else {}
        given = next(each for each in expected if each in present and set(expected[each]) - set(present))
        missing = next(each for each in expected[given] if each not in present)
        return f"has {_titled(given, schema)}, and so it needs {_titled(missing, schema)} too."
    if violation.validator == "type":
        return f"has something else than {_kind(expected)} in {name or 'it'}."
    if violation.validator in ("pattern", "format"):
        return f"has something in {name} that does not look right" + (
            "; it must begin with https:// or http:// and hold no name or password."
            if rule.get("format") == "uri"
            else "."
        )
    if violation.validator == "enum":
        return f"has an unknown choice in {name}; known are: {', '.join(map(str, expected))}."
    if violation.validator == "minLength":
        return f"has nothing in {name}."
    if violation.validator == "additionalProperties":
        return "has a field that this kind of credential does not know."
    return f"is not usable: {name or 'a field'} does not fit."


def _titled(name: str, schema: dict[str, Any]) -> str:
    title = schema.get("properties", {}).get(name, {}).get("title", "")
    return f"'{title}' ({name})" if title and title.lower() != name.lower() else f"'{name}'"


def _kind(expected: Any) -> str:
    words = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "yes or no"}
    words |= {"object": "named values", "array": "a list", "null": "nothing"}
    kinds = expected if isinstance(expected, list) else [expected]
    return " or ".join(words.get(str(each), str(each)) for each in kinds)
