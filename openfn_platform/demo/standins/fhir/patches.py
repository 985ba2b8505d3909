"""JSON Patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import Any

from openfn_platform.demo.standins.fhir.outcomes import Refused

MISSING = object()


def patched(document: Any, operations: Any) -> Any:
    """A copy of the document with all operations done."""
    if not isinstance(operations, list) or not operations:
        raise _bad("A patch is a list of operations")
    document = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise _bad("An operation has an op and a path")
        document = _done(document, operation)
    return document


def _done(document: Any, operation: dict[str, Any]) -> Any:
    op, path = operation.get("op"), _steps(operation["path"])
    if op == "remove":
        return _removed(document, path)
    if op == "add":
        return _added(document, path, _value(operation))
    if op == "replace":
        return _added(_removed(document, path), path, _value(operation))
    if op == "test":
        if _at(document, path) != _value(operation):
            raise Refused(422, "processing", f"The test of '{operation['path']}' failed")
        return document
    if op in ("move", "copy"):
        source = _steps(str(operation.get("from", "")))
        value = copy.deepcopy(_at(document, source))
        return _added(_removed(document, source) if op == "move" else document, path, value)
    raise _bad(f"'{op}' is no operation of a JSON patch")


def _steps(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise _bad(f"'{path}' is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _bad(f"The {operation['op']} of '{operation['path']}' has no value")
    return copy.deepcopy(operation["value"])


def _at(document: Any, steps: list[str]) -> Any:
    for step in steps:
        document = _child(document, step)
    return document


def _child(parent: Any, step: str) -> Any:
    found = MISSING
    if isinstance(parent, dict):
        found = parent.get(step, MISSING)
    elif isinstance(parent, list):
        found = parent[_index(step, len(parent) - 1)]
    if found is MISSING:
        raise _bad(f"There is nothing at '{step}'")
    return found


def _added(document: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _at(document, steps[:-1]), steps[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise _bad(f"Nothing can be put at '{last}'")
    return document


def _removed(document: Any, steps: list[str]) -> Any:
    if not steps:
        return None
    parent, last = _at(document, steps[:-1]), steps[-1]
    _child(parent, last)
    del parent[_index(last, len(parent) - 1) if isinstance(parent, list) else last]
    return document


def _index(step: str, most: int) -> int:
    if not (step.isascii() and step.isdecimal()) or int(step) > most:
        raise _bad(f"There is no place '{step}' in the list")
    return int(step)


def _bad(text: str) -> Refused:
    return Refused(400, "invalid", text)
