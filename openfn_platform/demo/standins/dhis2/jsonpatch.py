"""JSON Patch, as far as DHIS2 takes it: add, replace, remove."""

from __future__ import annotations

import copy
from typing import Any

OPERATIONS = ("add", "replace", "remove")


class BadPatch(Exception):
    """This cannot be patched; with the path when it is the path's fault."""

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


def patched(record: dict[str, Any], operations: Any) -> dict[str, Any]:
    """A copy of the record with the changes."""
    if not isinstance(operations, list):
        raise BadPatch("Unexpected input: a list of patch operations was expected")
    changed = copy.deepcopy(record)
    for operation in operations:
        if not isinstance(operation, dict) or operation.get("op") not in OPERATIONS:
            raise BadPatch(f"Unexpected input: `{operation}` is no patch operation")
        _apply(changed, operation["op"], str(operation.get("path", "")), operation.get("value"))
    return changed


def _apply(record: dict[str, Any], operation: str, path: str, value: Any) -> None:
    if not path.startswith("/") or path == "/":
        raise _unsupported(path)
    *way, last = path[1:].split("/")
    place: Any = record
    for step in way:
        place = _step(place, step, path)
    if isinstance(place, list):
        _change_list(place, operation, last, value, path)
    elif isinstance(place, dict):
        if operation == "remove":
            place.pop(last, None)
        else:
            place[last] = value
    else:
        raise _unsupported(path)


def _step(place: Any, step: str, path: str) -> Any:
    if isinstance(place, dict) and step in place:
        return place[step]
    if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
        return place[int(step)]
    raise _unsupported(path)


def _change_list(place: list[Any], operation: str, last: str, value: Any, path: str) -> None:
    if last == "-" and operation == "add":
        place.append(value)
        return
    if not last.isdecimal() or int(last) > len(place) - (operation != "add"):
        raise _unsupported(path)
    if operation == "add":
        place.insert(int(last), value)
    elif operation == "replace":
        place[int(last)] = value
    else:
        del place[int(last)]


def _unsupported(path: str) -> BadPatch:
    return BadPatch(f"Patch path `{path}` is not supported.", path)
