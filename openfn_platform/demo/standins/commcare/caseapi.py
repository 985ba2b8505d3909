"""Case API v2: JSON in and out, every change a form that HQ writes itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from openfn_platform.demo.standins.commcare.answers import Refused, bad, error, json
from openfn_platform.demo.standins.commcare.casequery import LARGEST_PAGE, Pairs, chosen, page_of
from openfn_platform.demo.standins.commcare.cases import shown_v2
from openfn_platform.demo.standins.commcare.changes import Changes, with_external_id
from openfn_platform.demo.standins.commcare.moments import now_text
from openfn_platform.demo.standins.commcare.submissions import Submissions, Unprocessable
from openfn_platform.demo.standins.commcare.xforms import BadForm, form_xml
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

XMLNS = "http://commcarehq.org/case_api"


class CaseApi:
    """The endpoints below `/api/case/v2/`."""

    def __init__(
        self, store: Store, submissions: Submissions, config: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._store = store
        self._submissions = submissions
        self._config = config

    def many(self, request: Request, domain: str) -> Answer:
        """GET a page; `next` is there only when there is one."""
        cases = self._store.table("case").values()
        count, shown, cursor, pairs = page_of(cases, request.query_string)
        body: dict[str, Any] = {"matching_records": count, "cases": self._shown(shown, pairs)}
        if cursor is not None:
            base = self._config()["public_base"] or request.origin
            body["next"] = f"{base}{request.path}?{urlencode({'cursor': cursor})}"
        return json(200, body)

    def one(self, request: Request, domain: str, key: str) -> Answer:
        """GET one, or several by ids with commas between."""
        if "," in key:
            return json(200, self._several(key.split(","), [], _pairs(request)))
        case = self._store.get("case", key)
        if case is None:
            raise Refused(error(404, f"Case '{key}' not found"))
        return json(200, self._shown([case], _pairs(request))[0])

    def one_external(self, request: Request, domain: str, external: str) -> Answer:
        """GET one by its external id."""
        case = with_external_id(self._store, external)
        if case is None:
            raise Refused(error(404, f"Case '{external}' not found"))
        return json(200, self._shown([case], _pairs(request))[0])

    def fetch(self, request: Request, domain: str) -> Answer:
        """POST ids and external ids; what is not found has its place in the answer, too."""
        body = _json(request)
        ids = (
            [body.get(name) or [] for name in ("case_ids", "external_ids")] if isinstance(body, dict) else []
        )
        if not any(ids) or not all(_is_list_of_texts(part) for part in ids):
            raise bad("Payload must include 'case_ids' or 'external_ids' fields")
        if sum(map(len, ids)) > LARGEST_PAGE:
            raise bad(f"You cannot request more than {LARGEST_PAGE} cases per request.")
        return json(200, self._several(ids[0], ids[1], _pairs(request)))

    def post(self, request: Request, domain: str) -> Answer:
        """POST an object: always a new case. POST a list: changes in bulk."""
        body, changes = _json(request), Changes(self._store)
        if isinstance(body, list):
            return self._changed(request, changes.bulk(body), many=True)
        return self._changed(request, [changes.create(_object(body))])

    def put(self, request: Request, domain: str) -> Answer:
        """PUT an object that names its case, or a list as with POST."""
        body, changes = _json(request), Changes(self._store)
        if isinstance(body, list):
            return self._changed(request, changes.bulk(body), many=True)
        return self._changed(request, [changes.update(_object(body))])

    def put_one(self, request: Request, domain: str, key: str) -> Answer:
        """PUT a change of the case in the path; it must exist."""
        return self._changed(request, [Changes(self._store).update(_object(_json(request)), key)])

    def put_external(self, request: Request, domain: str, external: str) -> Answer:
        """PUT by external id: change it or make it."""
        return self._changed(request, [Changes(self._store).upsert(_object(_json(request)), external)])

    def _changed(self, request: Request, blocks: list[Record], *, many: bool = False) -> Answer:
        """All blocks as one form: they are stored together or not at all."""
        pairs = _pairs(request)
        chosen(pairs)  # a wrong choice is told before anything is stored
        now, user = now_text(), self._config()["user_id"]
        meta = {
            "deviceID": request.headers.get("user-agent", ""),
            "timeStart": now,
            "timeEnd": now,
            "username": self._config()["username"],
            "userID": user,
            "instanceID": uuid.uuid4().hex,
        }
        dated = [{**block, "date_modified": now, "user_id": user} for block in blocks]
        try:
            accepted = self._submissions.submit(form_xml(XMLNS, "Case API", {}, dated, meta))
        except Unprocessable as problem:
            raise Refused(json(400, {"error": str(problem), "form_id": problem.form_id})) from None
        except BadForm as problem:  # a character that cannot be written as XML
            raise bad(str(problem)) from None
        by_id = {case["case_id"]: case for case in accepted.cases}
        shown = self._shown([by_id[block["case_id"]] for block in blocks], pairs)
        named = {self._config()["form_id_key"]: accepted.form["id"]}
        return json(200, {**named, "cases": shown} if many else {**named, "case": shown[0]})

    def _shown(self, cases: list[Record], pairs: Pairs) -> list[dict[str, Any]]:
        choose, domain = chosen(pairs), self._config()["domain"]
        return [choose(shown_v2(case, domain)) for case in cases]

    def _several(self, ids: list[Any], externals: list[Any], pairs: Pairs) -> dict[str, Any]:
        """Cases in the order of the ids asked for."""
        by_external = {case["external_id"]: case for case in self._store.table("case").values()}
        asked = [({"case_id": i}, self._store.get("case", str(i))) for i in ids]
        asked += [({"external_id": e}, by_external.get(e)) for e in externals]
        cases = [
            self._shown([case], pairs)[0] if case else {**stub, "error": "not found"} for stub, case in asked
        ]
        missing = sum(case is None for _, case in asked)
        return {"matching_records": len(asked) - missing, "missing_records": missing, "cases": cases}


def _pairs(request: Request) -> Pairs:
    return parse_qsl(request.query_string, keep_blank_values=True)


def _json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise bad("Payload must be valid JSON") from None


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad("Payload must be a single JSON object")
    return body
