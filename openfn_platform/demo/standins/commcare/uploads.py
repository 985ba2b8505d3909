"""The Excel case importer: a file becomes a job, whose status page tells what came of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from openfn_platform.demo.standins.commcare.answers import Refused, json, page
from openfn_platform.demo.standins.commcare.moments import now_text
from openfn_platform.demo.standins.commcare.sheets import NoSheets, Sheet, sheets_of
from openfn_platform.demo.standins.commcare.submissions import Submissions, Unprocessable
from openfn_platform.demo.standins.commcare.xforms import BadForm, form_xml
from openfn_platform.demo.standins.multipart import NotMultipart, Part, parts_of
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

XMLNS = "http://commcarehq.org/case-importer"
STARTED, DONE, FAILED = 1, 2, 3
BAD_FILE = "Error processing your file. Submit a valid (.xlsx) file"


class ImportRefused(Exception):
    """The importer cannot start with this."""


class Uploads:
    """Takes files, imports their rows when the time has come, tells how far it is."""

    def __init__(
        self, store: Store, submissions: Submissions, config: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._store = store
        self._submissions = submissions
        self._config = config

    def post(self, request: Request, domain: str) -> Answer:
        """POST a file. What is wrong with it stands in the body, whatever the status."""
        try:
            job = self._job(parts_of(request))
        except (ImportRefused, NotMultipart) as error:
            return json(self._config()["upload_error_status"], {"code": 500, "message": str(error)})
        self._store.put("import", job["id"], job)
        url = f"{self._base(request)}/a/{domain}/importer/excel/status/{job['id']}/"
        return json(200, {"code": 200, "message": "success", "status_url": url})

    def status(self, request: Request, domain: str, key: str) -> Answer:
        """GET the state of an import."""
        job = self._store.get("import", key)
        if job is None:
            raise Refused(page(404))
        percent = 100 if job["state"] == DONE else 0
        shown = {"state": job["state"], "progress": {"percent": percent}, "result": job["result"]}
        return json(200, {**shown, "error": job["error"]} if job["error"] else shown)

    def settle(self) -> None:
        """Do the imports that are due."""
        due = time.time() - self._config()["import_seconds"]
        for job in list(self._store.table("import").values()):
            if job["state"] == STARTED and job["began"] <= due:
                self._store.put("import", job["id"], self._done(job))

    def _base(self, request: Request) -> str:
        return self._config()["public_base"] or request.origin

    def _job(self, parts: Mapping[str, Part]) -> Record:
        fields = {name: part.text for name, part in parts.items() if part.filename is None}
        sheet = _first_sheet(parts.get("file"))
        if not fields.get("case_type"):
            raise ImportRefused("Missing required field: case_type")
        by = fields.get("search_field") or "case_id"
        if by not in ("case_id", "external_id"):
            raise ImportRefused(f"Invalid value for search_field: {by}")
        column = fields.get("search_column") or by
        if column not in sheet.columns:
            raise ImportRefused(f"The column '{column}' is not in the file.")
        return {
            "id": f"dl-{uuid.uuid4().hex}",
            "began": time.time(),
            "state": STARTED,
            "result": None,
            "error": None,
            "case_type": fields["case_type"],
            "by": by,
            "column": column,
            "name_column": fields.get("name_column") or "name",
            "create": fields.get("create_new_cases") == "on",
            "rows": sheet.rows,
        }

    def _done(self, job: Record) -> Record:
        """A job with its rows imported as one form: all of them or none."""
        rows = Rows(self._store, job)
        for number, values in job["rows"]:
            rows.add(number, values)
        job = {**job, "rows": []}
        if rows.blocks:
            try:
                self._submissions.submit(self._form(rows.blocks))
            except (Unprocessable, BadForm) as problem:
                return {**job, "state": FAILED, "error": str(problem)}
        return {**job, "state": DONE, "result": rows.result()}

    def _form(self, blocks: list[Record]) -> bytes:
        now, user = now_text(), self._config()["user_id"]
        meta = {"deviceID": "case importer", "timeStart": now, "timeEnd": now, "userID": user}
        meta |= {"username": self._config()["username"], "instanceID": uuid.uuid4().hex}
        dated = [{**block, "date_modified": now, "user_id": user} for block in blocks]
        return form_xml(XMLNS, "Case importer", {}, dated, meta)


class Rows:
    """The rows of one import: what becomes of each, and the sum."""

    def __init__(self, store: Store, job: Record) -> None:
        self._job = job
        self._cases: dict[str, list[Record]] = {}
        for case in store.table("case").values():
            self._cases.setdefault(str(case[job["by"]]), []).append(case)
        self._users = {user["username"]: user["id"] for user in store.table("user").values()}
        self._users |= {name.partition("@")[0]: unique for name, unique in self._users.items()}
        self._errors: dict[tuple[str, str], Record] = {}
        self.blocks: list[Record] = []
        self.matched = self.created = 0

    def add(self, number: int, values: dict[str, str]) -> None:
        """Take one row."""
        job, left = self._job, dict(values)
        wanted = left.pop(job["column"], "")
        found = (
            [c for c in self._cases.get(wanted, []) if c["case_type"] == job["case_type"]] if wanted else []
        )
        if len(found) > 1:
            self._problem(
                "Case Cannot Be Identified", "Several cases have this value.", job["column"], number
            )
            return
        if not found and not job["create"]:
            return
        owner = left.pop("owner_id", "") or self._owner(left.pop("owner_name", ""), number)
        if owner is None:
            return
        self.matched += bool(found)
        self.created += not found
        self.blocks.append(self._block(found[0] if found else None, wanted, owner, left))

    def result(self) -> Record:
        """The sum, as the status page shows it."""
        return {
            "match_count": self.matched,
            "created_count": self.created,
            "num_chunks": 1 if self.blocks else 0,
            "errors": list(self._errors.values()),
        }

    def _owner(self, name: str, number: int) -> str | None:
        if name and name not in self._users:
            told = "Owner name was used in the mapping but there is no such user."
            self._problem("Invalid Owner Name", told, "owner_name", number)
            return None
        return self._users[name] if name else ""

    def _block(self, case: Record | None, wanted: str, owner: str, values: dict[str, str]) -> Record:
        job = self._job
        closing = values.pop("close", "").lower() in ("yes", "y", "true", "1")
        name = values.pop(job["name_column"], "") or values.pop("case_name", "")
        own = {"case_name": name} if name else {}
        own |= {"owner_id": owner} if owner else {}
        if job["by"] == "external_id" and wanted:
            values["external_id"] = wanted
        for unwanted in ("case_id", "case_type", "type"):
            values.pop(unwanted, None)
        if case is not None:
            return {"case_id": case["case_id"], "update": {**own, **values}, "close": closing}
        create = {"case_type": job["case_type"], "case_name": name, "owner_id": owner}
        return {"case_id": uuid.uuid4().hex, "create": create, "update": values, "close": closing}

    def _problem(self, title: str, description: str, column: str, number: int) -> None:
        entry = {"title": title, "description": description, "column": column, "rows": []}
        self._errors.setdefault((title, column), entry)["rows"].append(number)


def _first_sheet(part: Part | None) -> Sheet:
    if part is None:
        raise ImportRefused("Missing required field: file")
    if PurePath(part.filename or "").suffix.lower() not in (".xlsx", ".xls"):
        raise ImportRefused(BAD_FILE)
    try:
        sheets = sheets_of(part.body)
    except NoSheets:
        raise ImportRefused(BAD_FILE) from None
    return next(iter(sheets.values()))
