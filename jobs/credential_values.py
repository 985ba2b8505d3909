"""What may stand in a credential: checked by its adaptor, merged with what is stored, kept at home."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jobs.adaptors import registry
from jobs.adaptors.fields import without_foreign
from jobs.adaptors.spec import AdaptorSpec
from openfn_platform.common.errors import Invalid

_PLACES = frozenset({"host", "hostname", "server", "port", "domain", "subdomain", "endpoint"})


class BadCredential(Invalid):
    """The values of this credential cannot be used."""

    code = "invalid_credential"


def spec_of(adaptor: str) -> AdaptorSpec:
    if adaptor not in registry.names():
        known = ", ".join(registry.names())
        raise BadCredential(f"There is no adaptor “{adaptor}”; there are: {known}.", field="adaptor")
    return registry.spec(adaptor)


def blank(value: Any) -> bool:
    return value is None or value == ""


def values_new(spec: AdaptorSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new body, complete or refused."""
    filled = {name: value for name, value in given.items() if not blank(value)}
    return _checked(spec, without_foreign(spec.schema, filled))


def values_merged(
    spec: AdaptorSpec, before: Mapping[str, Any], given: Mapping[str, Any], clear: frozenset[str]
) -> dict[str, Any]:
    """What is stored with what was typed on top, complete or refused.

    A secret that is given empty was not typed again; any other field that is given empty was emptied.
    """
    after = dict(before)
    for name, value in given.items():
        if not blank(value):
            after[name] = value
        elif name not in spec.secrets():
            after.pop(name, None)
    kept = {name: value for name, value in after.items() if name not in clear}
    merged = _checked(spec, without_foreign(spec.schema, kept))
    _keep_secrets_at_home(spec, before, merged, given)
    return merged


def _checked(spec: AdaptorSpec, values: dict[str, Any]) -> dict[str, Any]:
    complaints = spec.complaints(values)
    if complaints:
        first = complaints[0]
        raise BadCredential(
            first.sentence,
            field=first.field or "values",
            complaints={each.field: each.sentence for each in reversed(complaints)},
        )
    return values


def _keep_secrets_at_home(
    spec: AdaptorSpec, before: Mapping[str, Any], after: Mapping[str, Any], typed: Mapping[str, Any]
) -> None:
    """Who can change the address must not learn the password by sending it somewhere else."""
    # The same password typed again is no secret to whoever types it: a server that moved keeps its accounts.
    kept = [name for name in spec.secrets() if name in before and name in after and blank(typed.get(name))]
    if not kept:
        return
    for name, field in spec.schema.get("properties", {}).items():
        if _leads_somewhere(name, field) and _place(before.get(name)) != _place(after.get(name)):
            titles = sorted(str(spec.schema["properties"][each].get("title", each)) for each in kept)
            raise BadCredential(
                f"The address leads to another server now, so type again what is secret: {', '.join(titles)}.",
                field=kept[0],
            )


def _leads_somewhere(name: str, field: Mapping[str, Any]) -> bool:
    """Whether a field decides where the secrets are sent."""
    return field.get("format") in ("uri", "hostname") or name.lower() in _PLACES


def _place(value: Any) -> tuple[str, str]:
    """The server that an address names. One that is new, where the adaptor's own was used, is another one too."""
    text = str("" if value is None else value).strip()
    parts = urlsplit(text)
    return (parts.scheme.lower(), parts.netloc.lower()) if parts.netloc else ("", text.lower())
