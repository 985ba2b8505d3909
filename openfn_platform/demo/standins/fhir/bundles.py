"""Batches and transactions: several interactions in one request."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openfn_platform.demo.standins.fhir.criteria import Criteria
from openfn_platform.demo.standins.fhir.interactions import Call, Interactions, Reply
from openfn_platform.demo.standins.fhir.outcomes import Refused, Resource
from openfn_platform.demo.standins.fhir.repository import Repository
from openfn_platform.demo.standins.fhir.validation import good_id

CONDITIONS = ("ifMatch", "ifNoneMatch", "ifNoneExist")
ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET")


@dataclass(frozen=True)
class Entry:
    """One entry of a bundle that came in."""

    number: int
    full_url: str
    call: Call

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"Bundle.entry[{self.number}]"


class Bundles:
    """Does what bundles ask for."""

    def __init__(self, repository: Repository, criteria: Criteria, interactions: Interactions) -> None:
        self._repository = repository
        self._criteria = criteria
        self._interactions = interactions

    def process(self, bundle: Any, *, base: str, full: bool) -> Resource:
        """The answer to a bundle; `full` puts written resources into it."""
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            raise Refused(400, "invalid", "Only a Bundle can be posted to the base of the server")
        kind = bundle.get("type")
        if kind not in ("batch", "transaction"):
            raise Refused(422, "invalid", f"A Bundle of type '{kind}' cannot be processed")
        given = bundle.get("entry", [])
        if not isinstance(given, list):
            raise Refused(400, "structure", "Bundle.entry repeats: send a list", where="Bundle.entry")
        shown = self._batch(given, base, full) if kind == "batch" else self._transaction(given, base, full)
        return {
            "resourceType": "Bundle",
            "id": str(uuid.uuid4()),
            "type": f"{kind}-response",
            "link": [{"relation": "self", "url": base}],
            "entry": shown,
        }

    def _batch(self, given: list[Any], base: str, full: bool) -> list[Resource]:
        """Each entry for itself: what is refused does not keep the others from being done."""
        shown = []
        for number, value in enumerate(given):
            try:
                entry = _entry(number, value, base)
                shown.append(_shown(entry.call, self._interactions.perform(entry.call), full))
            except Refused as refusal:
                status = _status(refusal.status)
                shown.append({"response": {"status": status, "outcome": refusal.outcome}})
        return shown

    def _transaction(self, given: list[Any], base: str, full: bool) -> list[Resource]:
        """All entries or none, in the order that the standard demands, answered in the order they came in."""
        entries = [_entry(number, value, base) for number, value in enumerate(given)]
        _check_unique(entries)
        replies: dict[int, Reply] = {}
        with self._repository.together():
            deletes = [entry for entry in entries if entry.call.method == "DELETE"]
            for entry in deletes:
                replies[entry.number] = self._performed(entry, {})
            known = self._places(entries)
            for entry in sorted(entries, key=lambda e: ORDER.index(e.call.method)):
                if entry.call.method != "DELETE":
                    replies[entry.number] = self._performed(entry, known)
        return [_shown(entry.call, replies[entry.number], full) for entry in entries]

    def _places(self, entries: list[Entry]) -> dict[str, str]:
        """Where what the entries write will be, by their full URLs. Equal conditions mean the same resource."""
        known: dict[str, str] = {}
        made: dict[tuple[str, str], str] = {}
        for entry in entries:
            if entry.call.method in ("POST", "PUT") and entry.full_url:
                try:
                    known[entry.full_url] = self._place(entry.call, made)
                except Refused as refusal:
                    raise refusal.at(entry.where) from None
        return known

    def _place(self, call: Call, made: dict[tuple[str, str], str]) -> str:
        kind = call.path[0] if call.path else ""
        if call.method == "PUT" and len(call.path) > 1:
            return f"{kind}/{call.path[1]}"
        condition = call.if_none_exist.partition("?")[2] or call.if_none_exist
        pairs = call.pairs if call.method == "PUT" else parse_qsl(condition, keep_blank_values=True)
        found = self._criteria.one(kind, pairs) if pairs else None
        if found is not None:
            return f"{kind}/{found['id']}"
        own = call.body.get("id") if call.method == "PUT" and isinstance(call.body, dict) else None
        own = good_id(own) if own is not None else None
        fresh = f"{kind}/{own or uuid.uuid4()}"
        return made.setdefault((kind, repr(pairs)), fresh) if pairs else fresh

    def _performed(self, entry: Entry, known: Mapping[str, str]) -> Reply:
        place = known.get(entry.full_url, "")
        try:
            call = replace(entry.call, body=self._resolved(entry.call.body, known))
            return self._interactions.perform(call, place.partition("/")[2])
        except Refused as refusal:
            raise refusal.at(entry.where) from None

    def _resolved(self, value: Any, known: Mapping[str, str]) -> Any:
        """A body in which full URLs of other entries, and conditions in references, are real references."""
        if isinstance(value, list):
            return [self._resolved(item, known) for item in value]
        if isinstance(value, dict):
            return {
                name: self._reference(inner, known)
                if name == "reference" and isinstance(inner, str)
                else self._resolved(inner, known)
                for name, inner in value.items()
            }
        return known.get(value, value) if isinstance(value, str) else value

    def _reference(self, text: str, known: Mapping[str, str]) -> str:
        if text in known:
            return known[text]
        if text.startswith(("urn:uuid:", "urn:oid:")):
            raise Refused(400, "not-found", f"The reference '{text}' is to no entry of the bundle")
        kind, mark, query = text.partition("?")
        if not mark or "/" in kind:
            return text
        found = self._criteria.one(kind, parse_qsl(query, keep_blank_values=True))
        if found is None:
            raise Refused(412, "not-found", f"The reference '{text}' matches nothing")
        return f"{kind}/{found['id']}"


def _entry(number: int, value: Any, base: str) -> Entry:
    where = f"Bundle.entry[{number}]"
    request = value.get("request") if isinstance(value, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise Refused(400, "required", f"{where}: the entry has no request with a method and a url")
    named = (value.get("fullUrl", ""), *(request.get(name, "") for name in CONDITIONS))
    if not all(isinstance(text, str) for text in named):
        raise Refused(400, "structure", f"{where}: fullUrl and the conditions of a request are texts")
    method = request.get("method")
    if method not in ORDER:
        raise Refused(400, "value", f"{where}: '{method}' is no method", where=f"{where}.request.method")
    url = urlsplit(request["url"].removeprefix(base))
    call = Call(
        method=method,
        path=tuple(part for part in url.path.split("/") if part),
        pairs=parse_qsl(url.query, keep_blank_values=True),
        body=_patch_of(value.get("resource")) if method == "PATCH" else value.get("resource"),
        if_match=request.get("ifMatch", ""),
        if_none_match=request.get("ifNoneMatch", ""),
        if_none_exist=request.get("ifNoneExist", ""),
        base=base,
    )
    return Entry(number, value.get("fullUrl", ""), call)


def _patch_of(resource: Any) -> Any:
    """A patch travels in a bundle as a Binary."""
    if not isinstance(resource, dict) or resource.get("contentType") != "application/json-patch+json":
        raise Refused(400, "invalid", "A patch in a Bundle is a Binary of application/json-patch+json")
    try:
        return json.loads(base64.b64decode(str(resource.get("data", "")), validate=True))
    except ValueError as error:
        raise Refused(400, "structure", f"The patch is not valid JSON: {error}") from None


def _check_unique(entries: list[Entry]) -> None:
    """No full URL and no resource to write may be there twice."""
    seen: set[object] = set()
    for entry in entries:
        call = entry.call
        writes = call.method in ("PUT", "PATCH", "DELETE") and len(call.path) == 2
        for key in (entry.full_url, call.path if writes else ()):
            if key and key in seen:
                raise Refused(400, "duplicate", f"{entry.where}: '{key}' is in the transaction twice")
            seen.add(key)


def _shown(call: Call, reply: Reply, full: bool) -> Resource:
    response: Resource = {"status": _status(reply.status)}
    record = reply.record
    if record is not None:
        response["etag"] = f'W/"{record["version"]}"'
        response["lastModified"] = record["updated"]
        if call.method in ("POST", "PUT", "PATCH"):
            response["location"] = f"{record['type']}/{record['id']}/_history/{record['version']}"
    if reply.resource is not None and (full or call.method == "GET"):
        return {"resource": reply.resource, "response": response}
    return {"response": response}


def _status(number: int) -> str:
    return f"{number} {HTTPStatus(number).phrase}"
