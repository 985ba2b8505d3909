"""The `v=` parameter: ref, default, full, or `custom:(uuid,person:(gender,names:ref))`."""

from __future__ import annotations

from typing import Any

from openfn_platform.demo.standins.openmrs.errors import conversion

Representation = str | dict[str, Any]
NAMED = ("ref", "default", "full")


def representation_from(text: str) -> Representation:
    """What `v=` asks for."""
    if text in NAMED:
        return text
    if text.startswith("custom:(") and text.endswith(")"):
        wanted, end = _fields(text, len("custom:("))
        if end == len(text):
            return wanted
    raise conversion(f"Unknown representation: {text}")


def _fields(text: str, at: int) -> tuple[dict[str, Any], int]:
    """Names up to the closing bracket, each with what is wanted of it."""
    wanted: dict[str, Any] = {}
    while True:
        end = at
        while end < len(text) and text[end] not in ",:()":
            end += 1
        name, sub = text[at:end].strip(), "default"
        at = end
        if text[at : at + 2] == ":(":
            inner, at = _fields(text, at + 2)
            wanted[name] = inner
        else:
            if text[at : at + 1] == ":":
                end = at + 1
                while end < len(text) and text[end] not in ",)":
                    end += 1
                sub, at = text[at + 1 : end], end
            wanted[name] = sub
        if at >= len(text) or text[at] == "(":
            raise conversion(f"Malformed custom representation: {text}")
        at += 1
        if text[at - 1] == ")":
            return wanted, at


def pick(value: Any, wanted: Representation) -> Any:
    """The wanted part of an inner object or list that is at hand in full."""
    if isinstance(value, list):
        return [pick(item, wanted) for item in value]
    if not isinstance(value, dict) or wanted == "full":
        return value
    if wanted == "default":
        return value
    if wanted == "ref":
        return {name: value[name] for name in ("uuid", "display", "links") if name in value}
    if isinstance(wanted, str):
        raise conversion(f"Unknown representation: {wanted}")
    for name in wanted:
        if name not in value:
            raise conversion(f"Unable to find property {name}")
    return {name: pick(value[name], sub) for name, sub in wanted.items()}
