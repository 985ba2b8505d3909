"""Lookup tables (fixtures) from Excel files: a sheet of types, and one sheet of rows for each."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from openfn_platform.demo.standins.commcare.answers import json
from openfn_platform.demo.standins.commcare.sheets import NoSheets, Sheet, sheets_of
from openfn_platform.demo.standins.multipart import NotMultipart, parts_of
from openfn_platform.demo.standins.store import Record, Store
from openfn_platform.demo.standins.wire import Answer, Request

FILE = "file-to-upload"
DONE, WARNED, FAILED = 200, 402, 405
TRUE = ("y", "yes", "true", "1")


class BadTables(Exception):
    """The file does not describe tables."""


class Tables:
    """Takes files of tables."""

    def __init__(self, store: Store, config: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._config = config

    def post(self, request: Request, domain: str) -> Answer:
        """POST a file: always a 200, the outcome is the `code` in the body."""
        try:
            parts = parts_of(request)
        except NotMultipart:
            parts = {}
        if FILE not in parts or "replace" not in parts:
            told = f"Invalid post request. Submit the form with field '{FILE}' and POST parameter 'replace'"
            return json(200, {"message": told, "code": FAILED})
        message, code = self._upload(parts[FILE].body, parts["replace"].text.lower() == "true")
        if parts.get("async") is None or parts["async"].text.lower() != "true":
            return json(200, {"message": message, "code": code})
        job: Record = {"id": f"dl-{uuid.uuid4().hex}", "message": message, "code": code}
        self._store.put("table_upload", job["id"], job)
        base = self._config()["public_base"] or request.origin
        url = f"{base}/a/{domain}/fixtures/fixapi/status/{job['id']}/"
        told = "File has been uploaded successfully and is queued for processing."
        return json(200, {"message": told, "code": DONE, "status_url": url, "download_id": job["id"]})

    def status(self, request: Request, domain: str, key: str) -> Answer:
        """GET what came of a file; one that nobody knows is forever in progress."""
        job = self._store.get("table_upload", key)
        if job is None:
            return json(200, {"message": "Task in progress. 0% complete", "progress": 0})
        if job["code"] == DONE:
            return json(200, {"complete": True, "message": "Upload complete."})
        told = f"Upload did not complete. Reason: '{job['message']}'"
        return json(200, {"error": True, "message": told})

    def _upload(self, content: bytes, replace: bool) -> tuple[str, int]:
        try:
            sheets = sheets_of(content)
            types = _types(sheets)
        except NoSheets:
            return "Error processing your file. Submit a valid (.xlsx) file", FAILED
        except BadTables as error:
            return str(error), FAILED
        self._types_stored(types)
        counts = [self._rows_stored(name, sheets[name], replace) for name in types if name in sheets]
        missing = [name for name in types if name not in sheets]
        told = f"Successfully uploaded {sum(counts)} rows\nin {len(counts)} tables."
        if missing:
            return f"{told}\nThere is no sheet for: {', '.join(missing)}.", WARNED
        return told, DONE

    def _types_stored(self, types: Mapping[str, Record]) -> None:
        for tag, known in types.items():
            table = self._table(tag)
            if known["delete"]:
                self._emptied(tag)
                self._store.remove("lookup_table", table["id"] if table else "")
                continue
            shown = {
                "id": table["id"] if table else uuid.uuid4().hex,
                "tag": tag,
                "is_global": known["is_global"],
                "fields": [{"field_name": name, "properties": []} for name in known["fields"]],
                "item_attributes": [],
                "resource_uri": "",
            }
            self._store.put("lookup_table", shown["id"], shown)

    def _rows_stored(self, tag: str, sheet: Sheet, replace: bool) -> int:
        """Rows without UID are new ones, also when the same file comes again and does not replace."""
        if replace:
            self._emptied(tag)
        if self._table(tag) is None:
            return 0
        for _, values in sheet.rows:
            named = {_key(name): value for name, value in values.items()}
            unique = named.get("uid") or uuid.uuid4().hex
            if named.get("delete(y/n)", "").lower() in TRUE:
                self._store.remove("fixture", unique)
                continue
            fields = {
                re.split(r"field\s*:\s*", n, maxsplit=1)[1]: v for n, v in values.items() if _is_field(n)
            }
            row = {"id": unique, "fixture_type": tag, "fields": fields, "resource_uri": ""}
            self._store.put("fixture", unique, row)
        return len(sheet.rows)

    def _emptied(self, tag: str) -> None:
        for row in list(self._store.table("fixture").values()):
            if row["fixture_type"] == tag:
                self._store.remove("fixture", row["id"])

    def _table(self, tag: str) -> Record | None:
        tables = self._store.table("lookup_table").values()
        return next((table for table in tables if table["tag"] == tag), None)


def _types(sheets: Mapping[str, Sheet]) -> dict[str, Record]:
    """The sheet `types`: table, whether it is for everybody, names of its fields."""
    if "types" not in sheets:
        raise BadTables("There is no sheet named 'types' in the file.")
    found: dict[str, Record] = {}
    for number, values in sheets["types"].rows:
        named = {_key(name): value for name, value in values.items()}
        tag = named.get("table_id") or named.get("tag")
        if not tag:
            raise BadTables(f"Row {number} of the sheet 'types' has no table_id.")
        fields = [v for n, v in named.items() if re.fullmatch(r"field\s*\d+", n) and v]
        found[tag] = {
            "is_global": named.get("is_global?", "").lower() in TRUE,
            "delete": named.get("delete(y/n)", "").lower() in TRUE,
            "fields": fields,
        }
    return found


def _key(name: str) -> str:
    return name.strip().lower()


def _is_field(name: str) -> bool:
    return re.match(r"field\s*:", name) is not None
