"""A FHIR R4 server as a stand-in: who may, which media type, which interaction, which headers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from openfn_platform.demo.standins.fhir.bundles import Bundles
from openfn_platform.demo.standins.fhir.capability import statement
from openfn_platform.demo.standins.fhir.catalogue import TYPES
from openfn_platform.demo.standins.fhir.criteria import Criteria
from openfn_platform.demo.standins.fhir.interactions import Call, Interactions, Reply
from openfn_platform.demo.standins.fhir.outcomes import Refused, fhir_json, outcome
from openfn_platform.demo.standins.fhir.repository import Repository
from openfn_platform.demo.standins.fhir.searches import PAGE, Searches
from openfn_platform.demo.standins.partner import Callback, Partner
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

FHIR_JSON = "application/fhir+json"
READ_AS = {
    "POST": (FHIR_JSON, "application/json"),
    "PUT": (FHIR_JSON, "application/json"),
    "PATCH": ("application/json-patch+json",),
}
ACCEPTED = (FHIR_JSON, "application/json", "text/json", "json", "application/*", "*/*")
TRIES = 5


class FHIRServer(Partner):
    """One FHIR server, empty at first."""

    kind = "fhir"
    settings: ClassVar[Mapping[str, Any]] = {
        "base_path": "/fhir",
        "public_base": None,  # where the server believes to be: what its links begin with
        "token": None,  # of Bearer; without token and password the server is open
        "username": None,
        "password": None,
        "forbidden": [],  # types that the caller may not touch
        "page_size": 20,
        "largest_page": 200,
        "notify_url": None,  # changed resources are posted there
        "notify_types": [],  # only those of these types; empty is all
        "notify_headers": {},
        "notify_retry_seconds": 0.3,  # doubled with each further try
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        repository = Repository(store, self._announce)
        criteria = Criteria(repository)
        self._searches = Searches(repository, criteria, lambda: self.config)
        self._interactions = Interactions(repository, criteria, self._searches, lambda: self.config)
        self._bundles = Bundles(repository, criteria, self._interactions)

    def state(self) -> dict[str, Any]:
        """The resources that are there, by type."""
        tables = {kind: self.store.table(kind).values() for kind in TYPES}
        return {
            kind: [record["resource"] for record in records if record["resource"] is not None]
            for kind, records in tables.items()
            if records
        }

    def handle(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            return self._answered(request)
        except Refused as refusal:
            return refusal.answer

    def _answered(self, request: Request) -> Answer:
        own = self.config["base_path"]
        if request.path != own and not request.path.startswith(f"{own}/"):
            raise Refused(404, "not-found", f"There is no FHIR server at '{request.path}'")
        base = self.config["public_base"] or request.origin + own
        path = tuple(part for part in request.path[len(own) :].split("/") if part)
        if path == ("metadata",):
            return fhir_json(200, statement(base, security=self._security()))
        self._check_caller(request)
        _check_accept(request)
        method = "GET" if request.method == "HEAD" else request.method
        if not path and method == "GET" and PAGE in request.query:
            return fhir_json(200, self._searches.page(request.query[PAGE], base=base))
        if not path and method == "POST":
            full = "return=representation" in request.headers.get("prefer", "")
            return fhir_json(200, self._bundles.process(_body(request, method), base=base, full=full))
        call = _call(request, method, path, base)
        return self._shown(self._interactions.perform(call), call, request)

    def _shown(self, reply: Reply, call: Call, request: Request) -> Answer:
        headers: dict[str, str] = {}
        record = reply.record
        if record is not None:
            headers["ETag"] = f'W/"{record["version"]}"'
            headers["Last-Modified"] = format_datetime(datetime.fromisoformat(record["updated"]), usegmt=True)
            if call.method in ("POST", "PUT"):
                where = f"{record['type']}/{record['id']}/_history/{record['version']}"
                headers["Location"] = f"{call.base}/{where}"
        prefer = request.headers.get("prefer", "")
        if reply.resource is None or (call.method != "GET" and "return=minimal" in prefer):
            return Answer(reply.status, b"", headers)
        if call.method != "GET" and "return=OperationOutcome" in prefer:
            told = outcome("information", "informational", f"Done: {reply.status}")
            return fhir_json(reply.status, told, **headers)
        return fhir_json(reply.status, reply.resource, **headers)

    def _security(self) -> str:
        if self.config["token"] is not None:
            return "Bearer"
        return "Basic" if self.config["password"] is not None else ""

    def _check_caller(self, request: Request) -> None:
        scheme = self._security()
        given = request.headers.get("authorization", "")
        if scheme == "Bearer":
            right = hmac.compare_digest(given.encode(), f"Bearer {self.config['token']}".encode())
        else:
            right = not scheme or request.basic_auth == (self.config["username"], self.config["password"])
        if not right:
            realm = {"WWW_Authenticate": f'{scheme} realm="FHIR"'}
            raise Refused(401, "login", "Valid credentials are required", **realm)

    def _announce(self, record: Record) -> None:
        """Post a changed resource; a deletion is not told."""
        config = self.config
        if not config["notify_url"] or record["resource"] is None:
            return
        if config["notify_types"] and record["type"] not in config["notify_types"]:
            return
        body = json.dumps(record["resource"], ensure_ascii=False).encode()
        headers = {"Content-Type": FHIR_JSON, **config["notify_headers"]}
        again = float(config["notify_retry_seconds"])
        self.call_later(Callback(0.0, config["notify_url"], body, headers, TRIES, again))


def _call(request: Request, method: str, path: tuple[str, ...], base: str) -> Call:
    pairs = parse_qsl(request.query_string, keep_blank_values=True)
    searched = method == "POST" and path[-1:] == ("_search",)
    if searched:
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused(415, "not-supported", "A search is posted as application/x-www-form-urlencoded")
        pairs += parse_qsl(request.text, keep_blank_values=True)
    headers = request.headers
    return Call(
        method=method,
        path=path,
        pairs=[(n, v) for n, v in pairs if method == "GET" or searched or n not in ("_format", "_pretty")],
        body=None if searched or method not in READ_AS else _body(request, method),
        if_match=headers.get("if-match", ""),
        if_none_match=headers.get("if-none-match", ""),
        if_none_exist=headers.get("if-none-exist", ""),
        base=base,
        strict="handling=strict" in headers.get("prefer", ""),
    )


def _body(request: Request, method: str) -> Any:
    if request.content_type not in READ_AS[method]:
        told = f"Content type '{request.content_type}' is not supported; send {READ_AS[method][0]}"
        raise Refused(415, "not-supported", told)
    try:
        return request.json()
    except ValueError as error:
        raise Refused(400, "structure", f"The body is not valid JSON: {error}") from None


def _check_accept(request: Request) -> None:
    """Only JSON is spoken; `_format` counts more than the header."""
    wanted = request.query.get("_format") or request.headers.get("accept") or "*/*"
    kinds = [part.partition(";")[0].strip().lower().replace(" ", "+") for part in wanted.split(",")]
    if not any(kind in ACCEPTED for kind in kinds):
        raise Refused(406, "not-supported", f"'{wanted}' cannot be produced; this server speaks {FHIR_JSON}")
