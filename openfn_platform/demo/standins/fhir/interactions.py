"""The REST interactions on resources, for single requests and for the entries of bundles alike."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from openfn_platform.demo.standins.fhir.criteria import Criteria, Pairs
from openfn_platform.demo.standins.fhir.outcomes import Refused, Resource
from openfn_platform.demo.standins.fhir.patches import patched
from openfn_platform.demo.standins.fhir.repository import Repository
from openfn_platform.demo.standins.fhir.searches import Searches
from openfn_platform.demo.standins.fhir.validation import checked, good_id, known_type
from openfn_platform.demo.standins.store import Record

HISTORY = "_history"


@dataclass(frozen=True)
class Call:
    """What is asked, wherever it came from."""

    method: str
    path: tuple[str, ...]
    pairs: Pairs = field(default_factory=list)
    body: Any = None
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    base: str = ""
    strict: bool = False


@dataclass(frozen=True)
class Reply:
    """What came of it. `record` is the version that it is about."""

    status: int
    resource: Resource | None = None
    record: Record | None = None


class Interactions:
    """Does what is asked."""

    def __init__(
        self,
        repository: Repository,
        criteria: Criteria,
        searches: Searches,
        config: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._repository = repository
        self._criteria = criteria
        self._searches = searches
        self._config = config

    def perform(self, call: Call, new_id: str = "") -> Reply:
        """One interaction; a resource that it creates gets `new_id`, when one is given."""
        if not call.path:
            raise Refused(400, "invalid", "This needs a resource type")
        if any(part.startswith("$") for part in call.path):
            raise Refused(501, "not-supported", f"The operation '{call.path[-1]}' is not supported")
        kind, rest = known_type(call.path[0]), call.path[1:]
        if kind in self._config()["forbidden"]:
            raise Refused(403, "forbidden", f"Access to {kind} is denied")
        if not rest or (rest == ("_search",) and call.method in ("GET", "POST")):
            return self._on_type(call, kind, new_id)
        if rest == (HISTORY,) or len(rest) > 3 or (len(rest) > 1 and rest[1] != HISTORY):
            raise Refused(501, "not-supported", f"'{'/'.join(call.path)}' is not supported")
        unique = good_id(rest[0])
        if len(rest) == 1:
            return self._on_one(call, kind, unique)
        if call.method != "GET":
            raise Refused(405, "not-supported", f"{call.method} is not allowed on versions")
        return self._history(call, kind, unique) if len(rest) == 2 else self._version(kind, unique, rest[2])

    def _on_type(self, call: Call, kind: str, new_id: str) -> Reply:
        if call.method == "GET" or call.path[-1] == "_search":
            found = self._searches.search(kind, call.pairs, base=call.base, strict=call.strict)
            return Reply(200, found)
        if call.method == "POST":
            return self.create(call, kind, new_id)
        if call.method not in ("PUT", "PATCH", "DELETE"):
            raise Refused(405, "not-supported", f"{call.method} is not allowed here")
        found_one = self._criteria.one(kind, call.pairs)
        if call.method == "PUT":
            return self._conditional_update(call, kind, found_one, new_id)
        if call.method == "DELETE":
            return self._delete(kind, found_one["id"], "") if found_one else Reply(204)
        if found_one is None:
            raise Refused(404, "not-found", f"The criteria match no {kind}")
        return self._patch(call, kind, found_one["id"])

    def _on_one(self, call: Call, kind: str, unique: str) -> Reply:
        if call.method == "GET":
            record = self._present(kind, unique)
            if call.if_none_match and _version_in(call.if_none_match) == str(record["version"]):
                return Reply(304, None, record)
            return Reply(200, record["resource"], record)
        if call.method == "PUT":
            return self._update(call, kind, unique)
        if call.method == "PATCH":
            return self._patch(call, kind, unique)
        if call.method == "DELETE":
            return self._delete(kind, unique, call.if_match)
        raise Refused(405, "not-supported", f"{call.method} is not allowed on a resource")

    def create(self, call: Call, kind: str, new_id: str) -> Reply:
        """A new resource under an id of the server's, unless the condition finds one."""
        resource = checked(call.body, kind)
        if call.if_none_exist:
            pairs = parse_qsl(
                call.if_none_exist.partition("?")[2] or call.if_none_exist, keep_blank_values=True
            )
            if found := self._criteria.one(kind, pairs):
                return Reply(200, found["resource"], found)
        record = self._repository.save(kind, new_id or str(uuid.uuid4()), resource, "POST")
        return Reply(201, record["resource"], record)

    def _update(self, call: Call, kind: str, unique: str) -> Reply:
        resource = checked(call.body, kind)
        if resource.get("id") != unique:
            told = f"The id in the body must be the one in the path, '{unique}'"
            raise Refused(400, "invalid", told, where=f"{kind}.id")
        older = self._repository.get(kind, unique)
        _check_match(older, call.if_match)
        record = self._repository.save(kind, unique, resource, "PUT")
        return Reply(200 if older and older["resource"] else 201, record["resource"], record)

    def _conditional_update(self, call: Call, kind: str, found: Record | None, new_id: str) -> Reply:
        resource = checked(call.body, kind)
        given = resource.get("id")
        if found is not None:
            if given not in (None, found["id"]):
                raise Refused(400, "invalid", f"The id '{given}' is not the one of the resource that matches")
            _check_match(found, call.if_match)
            record = self._repository.save(kind, found["id"], resource, "PUT")
            return Reply(200, record["resource"], record)
        if given is not None and self._repository.get(kind, good_id(given)) is not None:
            raise Refused(409, "conflict", f"{kind}/{given} exists, but does not meet the criteria")
        record = self._repository.save(kind, given or new_id or str(uuid.uuid4()), resource, "PUT")
        return Reply(201, record["resource"], record)

    def _patch(self, call: Call, kind: str, unique: str) -> Reply:
        older = self._present(kind, unique)
        _check_match(older, call.if_match)
        resource = checked(patched(older["resource"], call.body), kind)
        if resource.get("id") != unique:
            raise Refused(400, "invalid", "A patch cannot change the id", where=f"{kind}.id")
        record = self._repository.save(kind, unique, resource, "PATCH")
        return Reply(200, record["resource"], record)

    def _delete(self, kind: str, unique: str, if_match: str) -> Reply:
        """What is gone already is a success, too."""
        older = self._repository.get(kind, unique)
        _check_match(older, if_match)
        if older is not None and older["resource"] is not None:
            older = self._repository.save(kind, unique, None, "DELETE")
        return Reply(204, None, older)

    def _present(self, kind: str, unique: str) -> Record:
        record = self._repository.get(kind, unique)
        if record is None:
            raise Refused(404, "not-found", f"Resource {kind}/{unique} is not known")
        if record["resource"] is None:
            raise Refused(410, "deleted", f"Resource {kind}/{unique} was deleted at {record['updated']}")
        return record

    def _version(self, kind: str, unique: str, version: str) -> Reply:
        record = self._repository.version(kind, unique, version)
        if record is None:
            raise Refused(404, "not-found", f"Version {version} of {kind}/{unique} is not known")
        if record["resource"] is None:
            raise Refused(410, "deleted", f"Version {version} of {kind}/{unique} is its deletion")
        return Reply(200, record["resource"], record)

    def _history(self, call: Call, kind: str, unique: str) -> Reply:
        records = self._repository.versions(kind, unique)
        if not records:
            raise Refused(404, "not-found", f"Resource {kind}/{unique} is not known")
        entries = []
        for record in records:
            entry: Resource = {"fullUrl": f"{call.base}/{kind}/{unique}"}
            if record["resource"] is not None:
                entry["resource"] = record["resource"]
            entry["request"] = {"method": record["method"], "url": f"{kind}/{unique}"}
            entries.append(entry)
        return Reply(
            200, {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}
        )


def _check_match(record: Record | None, if_match: str) -> None:
    """Refuse when the caller means another version than the present one."""
    if if_match and (record is None or _version_in(if_match) != str(record["version"])):
        now = f"version {record['version']}" if record else "unknown"
        raise Refused(412, "conflict", f"If-Match is {if_match}, but the resource is {now}")


def _version_in(tag: str) -> str:
    """`1` of `W/"1"`."""
    found = re.fullmatch(r'(?:W/)?"?([^"]*)"?', tag.strip())
    return found[1] if found else ""
