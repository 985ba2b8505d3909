"""The settings that a job declares: `[{key, label, type, default, choices}]`, edited as a form without its code.

A trigger may override their values; both are checked here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openfn_platform.common.errors import Invalid
from openfn_platform.common.text import clean_name

TYPES = ("text", "number", "boolean", "choice", "list")
MOST = 50
LONGEST = 2000
_KEY = re.compile(r"\A[a-z][a-z0-9_]{0,39}\Z")
_FIELDS = frozenset({"key", "label", "type", "default", "choices"})
_WORDS = {
    "text": "text",
    "number": "a number",
    "boolean": "yes or no",
    "choice": "one of the choices",
    "list": "a list of texts",
}


class BadSetting(Invalid):
    """A setting of the job cannot be used."""

    code = "invalid_settings"


def declared(settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The declarations, completed and checked."""
    if len(settings) > MOST:
        raise BadSetting(f"A job has at most {MOST} settings.", field="settings")
    found: dict[str, dict[str, Any]] = {}
    for item in settings:
        one = _one(item)
        if one["key"] in found:
            raise BadSetting(f"The setting “{one['key']}” is there twice.", field="settings")
        found[one["key"]] = one
    return list(found.values())


def overrides(
    values: Mapping[str, Any], declarations: Iterable[Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """A trigger's own values, each for a setting that one of its jobs declares."""
    known: dict[str, list[Mapping[str, Any]]] = {}
    for settings in declarations:
        for item in settings:
            known.setdefault(item["key"], []).append(item)
    for key, value in values.items():
        if key not in known:
            has = ", ".join(sorted(known)) or "none"
            raise BadSetting(
                f"No job of this trigger has a setting “{key}”; there are: {has}.", field="settings"
            )
        for item in known[key]:
            _check_value(item, value)
    return dict(values)


def _one(item: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise BadSetting("Each setting is an object with key, label, type and default.", field="settings")
    strange = sorted(set(item) - _FIELDS)
    if strange:
        raise BadSetting(f"A setting has no “{strange[0]}”.", field="settings")
    key = item.get("key")
    if not isinstance(key, str) or not _KEY.match(key):
        raise BadSetting(
            "The key of a setting is a name in the code: small letters, digits and _, for example id_type.",
            field="settings",
        )
    kind = item.get("type", "text")
    if kind not in TYPES:
        raise BadSetting(
            f"The setting “{key}” has an unknown type; known are: {', '.join(TYPES)}.", field="settings"
        )
    one: dict[str, Any] = {"key": key, "label": clean_name(str(item.get("label") or key)), "type": kind}
    if kind == "choice":
        choices = item.get("choices")
        if not isinstance(choices, list) or not choices or not all(isinstance(each, str) for each in choices):
            raise BadSetting(f"The setting “{key}” needs choices: a list of texts.", field="settings")
        one["choices"] = choices
    one["default"] = item.get("default")
    _check_value(one, one["default"])
    return one


def _check_value(item: Mapping[str, Any], value: Any) -> None:
    """None means that nothing was set."""
    if value is None or _fits(item, value):
        return
    raise BadSetting(f"The setting “{item['key']}” must be {_WORDS[item['type']]}.", field="settings")


def _fits(item: Mapping[str, Any], value: Any) -> bool:
    kind = item["type"]
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "choice":
        return value in item["choices"]
    if kind == "list":
        return isinstance(value, list) and len(value) <= 1000 and all(_is_text(each) for each in value)
    return _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and "\0" not in value
