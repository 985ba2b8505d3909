"""What a message must look like, by its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openfn_platform.demo.standins.whatsapp.errors import invalid, titled

LONGEST_TEXT = 4096
MEDIA = ("image", "document", "audio", "video", "sticker")
NEEDED = {
    "text": ("body",),
    "location": ("latitude", "longitude"),
    "reaction": ("message_id", "emoji"),
    "interactive": ("type", "action"),
    "template": ("name", "language"),
}
TYPES = (*NEEDED, *MEDIA, "contacts")


def body_check(values: Mapping[str, Any], templates: Mapping[str, Any]) -> str:
    """The type of a message; refuses one that is not complete."""
    kind = str(values.get("type", "text"))
    if kind not in TYPES:
        raise invalid(f"Param type must be one of {{{', '.join(name.upper() for name in TYPES)}}}")
    content = values.get(kind)
    if not content:
        raise invalid(f"The parameter {kind} is required.")
    if kind == "contacts":
        return kind
    if not isinstance(content, dict):
        raise invalid(f"Param {kind} must be a JSON object.")
    for name in NEEDED.get(kind, ()):
        if content.get(name) in (None, ""):
            raise invalid(f"The parameter {kind}['{name}'] is required.")
    if kind == "text" and len(str(content["body"])) > LONGEST_TEXT:
        raise invalid(f"Param text['body'] must be at most {LONGEST_TEXT} characters long.")
    if kind in MEDIA and bool(content.get("id")) == bool(content.get("link")):
        raise invalid(f"Exactly one of {kind}['id'] and {kind}['link'] is required.")
    if kind == "template":
        _template_check(content, templates)
    return kind


def _template_check(content: Mapping[str, Any], templates: Mapping[str, Any]) -> None:
    name, language = content["name"], content["language"]
    if not isinstance(language, dict) or not language.get("code"):
        raise invalid("The parameter template['language']['code'] is required.")
    code = language["code"]
    known = templates.get(name)
    if known is None or code not in known["languages"]:
        raise titled(132001, f"template name ({name}) does not exist in {code}")
    components = content.get("components") or []
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise invalid("Param template['components'] must be an array of JSON objects.")
    bodies = [part for part in components if str(part.get("type", "")).lower() == "body"]
    count = sum(len(part.get("parameters") or []) for part in bodies)
    if count != known["parameters"]:
        told = f"body: number of localizable_params ({count}) does not match"
        raise titled(132000, f"{told} the expected number of params ({known['parameters']})")
