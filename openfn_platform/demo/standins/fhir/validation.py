"""What the server lets in: a broken structure is a 400, a broken rule a 422."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from openfn_platform.demo.standins.fhir.catalogue import CODES, DATE_TIMES, DATES, LISTS, REQUIRED, TYPES
from openfn_platform.demo.standins.fhir.moments import is_date, is_date_time
from openfn_platform.demo.standins.fhir.outcomes import Refused, Resource
from openfn_platform.demo.standins.fhir.parameters import references_of
from openfn_platform.demo.standins.fhir.paths import values_at

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


def known_type(name: str) -> str:
    """The type, or 404."""
    if name not in TYPES:
        raise Refused(404, "not-found", f"Unknown resource type '{name}'")
    return name


def good_id(text: object) -> str:
    """An id, or 400."""
    if not isinstance(text, str) or not ID.fullmatch(text):
        raise Refused(400, "value", f"'{text}' is not a valid id: letters, digits, '-' and '.', at most 64")
    return text


def checked(resource: Any, kind: str) -> Resource:
    """The resource, when it is one of this type and nothing is wrong with it."""
    if not isinstance(resource, dict):
        raise Refused(400, "structure", "The body is not a resource: send a JSON object")
    if "resourceType" not in resource:
        raise Refused(400, "structure", "The resource has no resourceType", where="resourceType")
    if resource["resourceType"] != kind:
        told = f"The resource is a {resource['resourceType']}, but the path is one of {kind}"
        raise Refused(400, "invalid", told, where="resourceType")
    _check_structure(resource, kind)
    _check_rules(resource, kind)
    return resource


def _check_structure(resource: Resource, kind: str) -> None:
    for name in LISTS.get(kind, ()):
        if name in resource and not isinstance(resource[name], list):
            raise _broken(kind, name, f"{kind}.{name} repeats: send a list")
        if name != "alias" and not _is_list_of_objects(resource.get(name, [])):
            raise _broken(kind, name, f"{kind}.{name} is a list of objects")
    _check_codings(resource, kind)
    if not isinstance(resource.get("meta", {}), dict):
        raise _broken(kind, "meta", f"{kind}.meta is an object")
    for name in references_of(kind):
        for value in values_at(resource, name):
            if not isinstance(value, dict):
                raise _broken(kind, name, f"{kind}.{name} is not a Reference: send an object")
    _check_moments(resource, kind, DATES.get(kind, ()), is_date, "date")
    _check_moments(resource, kind, DATE_TIMES.get(kind, ()), is_date_time, "dateTime")


def _check_codings(value: Any, path: str) -> None:
    """Wherever there is a `coding`, it is a list of objects."""
    if isinstance(value, list):
        for item in value:
            _check_codings(item, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in ("coding", "tag") and not _is_list_of_objects(inner):
                raise Refused(400, "structure", f"{path}.{name} is a list of objects", where=f"{path}.{name}")
            _check_codings(inner, f"{path}.{name}")


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _check_moments(
    resource: Resource, kind: str, paths: tuple[str, ...], good: Callable[[object], bool], what: str
) -> None:
    for path in paths:
        for value in values_at(resource, path):
            if not good(value):
                raise _broken(kind, path, f"{kind}.{path}: '{value}' is not a valid {what}")


def _check_rules(resource: Resource, kind: str) -> None:
    for name in REQUIRED.get(kind, ()):
        if not any(True for _ in values_at(resource, name.replace("[x]", "*"))):
            told = f"{kind}.{name}: minimum required = 1, but only found 0"
            raise Refused(422, "required", told, where=f"{kind}.{name}")
    for name, allowed in CODES.get(kind, {}).items():
        if name in resource and resource[name] not in allowed:
            told = f"{kind}.{name}: '{resource[name]}' is not one of {', '.join(allowed)}"
            raise Refused(422, "code-invalid", told, where=f"{kind}.{name}")


def _broken(kind: str, path: str, text: str) -> Refused:
    return Refused(400, "structure", text, where=f"{kind}.{path}")
