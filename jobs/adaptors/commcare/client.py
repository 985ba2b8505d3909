"""The operations of `commcare`. Paths are those of the list API: `form`, `case`, `user`, `case/<id>`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import httpx

from jobs.adaptors.commcare import forms, moments, sheets, uploads
from jobs.adaptors.commcare.connection import Connection
from jobs.adaptors.commcare.cursor import Cursor
from jobs.adaptors.commcare.plain import Plain
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response
from jobs.adaptors.errors import AdaptorError, NotFound, Timeout, ValidationError
from jobs.adaptors.spec import operation

DEFAULT_MAX = 10_000
PAGE = 1_000  # the largest that forms allow; cases would allow 5,000
REPORT_PAGE = 50  # the largest that reports allow


class Client:
    """One project space."""

    schema = Connection.schema
    groups: ClassVar[Mapping[str, type]] = {"http": Plain}

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self._connection = Connection(configuration, context)
        self._context = context
        self.http = Plain(self._connection)

    # ---- reading

    @operation(example='cases = commcare.get("case", type="patient", indexed_on_start="2026-01-01")')
    def get(self, path: str, *, max: int | None = None, offset: int | None = None, **params: Any) -> Any:
        """Records of a list, all pages, at most `max` (10,000 unless told); a path with an ID gives that record.

        Forms and cases are best asked for by `indexed_on_start` with `order_by="indexed_on"`. With `offset` only
        that page comes.
        """
        if offset is not None:
            found = _objects(self._page(path, {"limit": max, **params, "offset": offset}))
            return found if max is None else found[:max]
        first = self._connection.part(self._page(path, {"limit": _size(params, max), **params}))
        if not isinstance(first.get("objects"), list):
            return first
        records = self._following(path, params, first, max)
        if max is not None:
            return list(islice(records, max))
        found = list(islice(records, DEFAULT_MAX))
        if next(records, None) is not None:
            self._context.log(
                "warning", f"CommCare has more than {DEFAULT_MAX:,} records here; pass max=… to read more."
            )
        return found

    @operation(example='for form in commcare.each("form", order_by="indexed_on"): print(form["id"])')
    def each(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every record of a list, page by page, without holding them all."""
        first = self._page(path, {"limit": _size(params, None), **params})
        return self._following(path, params, first, None)

    @operation(example='patient = commcare.find_case(external_id="NID-7")')
    def find_case(
        self, *, external_id: str | None = None, case_id: str | None = None
    ) -> dict[str, Any] | None:
        """The case with that ID, by the case API v2, or None."""
        if not case_id and not external_id:
            raise ValidationError("Say which case: by external_id or by case_id.", sent=False)
        path = f"api/case/v2/{_part(case_id)}/" if case_id else f"api/case/v2/ext/{_part(external_id)}/"
        try:
            found = self._connection.get(self._connection.space(path)).body
        except NotFound:
            return None
        case: dict[str, Any] = self._connection.part(found)
        return case

    @operation(example='for case in commcare.each_case(case_type="patient"): print(case["case_id"])')
    def each_case(self, *, max: int = 1_000_000, **params: Any) -> Iterator[dict[str, Any]]:
        """Every case, by the case API v2, whose pages are found by a cursor."""
        path = self._connection.space("api/case/v2/")
        wanted = {"limit": PAGE, **moments.written(params)}
        return self._connection.records(path, params=wanted, paging=Cursor(), items="cases", max=max)

    @operation(example='rows = commcare.get_report("8f2c…")')
    def get_report(self, report_id: str, *, max: int = DEFAULT_MAX, **params: Any) -> list[dict[str, Any]]:
        """The rows of a configurable report, all pages."""
        path, found = self._connection.api(f"configurablereportdata/{report_id}"), list[dict[str, Any]]()
        while len(found) < max:
            body = self._connection.get(
                path, params={"limit": REPORT_PAGE, **params, "offset": len(found)}
            ).body
            rows = self._connection.part(body).get("data") or []
            found += rows
            if not rows or len(found) >= int(body.get("total_records") or 0):
                break
        return found[:max]

    # ---- writing

    @operation(example='commcare.post("user", {"username": "asha", "password": password})', writes=True)
    def post(self, path: str, data: dict[str, Any], **params: Any) -> Any:
        """Make a record in one of the lists."""
        return self._connection.post(self._connection.api(path), data, params=params).body

    @operation(
        example='commcare.submit({"@xmlns": xmlns, "name": "Ama", "case": block}, key=f"visit {visit}")',
        writes=True,
    )
    def submit(
        self,
        data: dict[str, Any] | str,
        *,
        key: str | None = None,
        root: str = "data",
        openrosa: str | None = None,
    ) -> dict[str, Any]:
        """Submit a form; answers `{instance_id, nature, message}`.

        `@name` is an attribute. The form gets an `instanceID` made from `key`, or the one that its `meta` names: a
        form that comes twice with the same ID replaces itself, so it is sent again when the answer got lost, and
        each form needs a key of its own. Without either the ID is made from the run's own key, which is the same over
        every attempt, and from all that is in the form: give a key if that holds the time of sending. XML given as
        text goes as it is. `openrosa="3.0"` asks for the answers of that version, as phones do.
        """
        if isinstance(data, str):
            return self._submitted(data.encode("utf-8"), instance=forms.instance_of(data), openrosa=openrosa)
        instance = (data.get("meta") or {}).get("instanceID") or self._instance(data, key=key, root=root)
        content = forms.build(forms.with_meta(data, instance=instance) if instance else data, root=root)
        return self._submitted(content, instance=instance, openrosa=openrosa)

    @operation(
        example='block = commcare.case_block(uid, case_type="patient", case_name="Ama", update={"age": 7})'
    )
    def case_block(self, case_id: str, **fields: Any) -> dict[str, Any]:
        """A case transaction for a form.

        `case_type` and `case_name` create the case, `update` changes it, `index` relates it to others as in
        `{"parent": {"@case_type": "patient", "#text": mother}}`, `close` ends it.
        """
        return forms.case_block(case_id, **fields)

    @operation(
        example='commcare.create_case({"case_type": "patient", "case_name": "Ama", "owner_id": o})',
        writes=True,
    )
    def create_case(self, case: dict[str, Any]) -> dict[str, Any]:
        """Make a case by the case API v2, which never changes one that is there."""
        path = self._connection.space("api/case/v2/")
        return dict(self._connection.part(self._connection.post(path, case).body))

    @operation(example='commcare.update_case(case_id, {"properties": {"age": "8"}})', writes=True)
    def update_case(self, case_id: str, case: dict[str, Any]) -> dict[str, Any]:
        """Change a case by the case API v2."""
        path = self._connection.space(f"api/case/v2/{_part(case_id)}/")
        return dict(self._connection.part(self._connection.put(path, case).body))

    @operation(
        example='commcare.upsert_case("NID-7", {"case_type": "patient", "case_name": "Ama"})', writes=True
    )
    def upsert_case(self, external_id: str, case: dict[str, Any]) -> dict[str, Any]:
        """Make the case with that external ID, or change it."""
        path = self._connection.space(f"api/case/v2/ext/{_part(external_id)}/")
        return dict(self._connection.part(self._connection.put(path, case).body))

    @operation(
        example='commcare.bulk_cases([{"create": True, "case_type": "patient", "case_name": "Ama"}])',
        writes=True,
    )
    def bulk_cases(self, cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Make and change up to 100 cases at once; each says `create` true or false."""
        if len(cases) > 100:
            raise ValidationError(
                "CommCare takes at most 100 cases at once; use chunks(cases, 100).", sent=False
            )
        path = self._connection.space("api/case/v2/")
        return dict(self._connection.part(self._connection.post(path, list(cases)).body))

    @operation(
        example='commcare.submit_xls(rows, case_type="patient", search_field="external_id")', writes=True
    )
    def submit_xls(
        self,
        rows: sheets.Rows,
        *,
        case_type: str,
        search_field: str = "case_id",
        search_column: str | None = None,
        create_new_cases: bool = True,
        wait: float = 0,
        **more: Any,
    ) -> dict[str, Any]:
        """Upload cases as a spreadsheet; with `wait` (seconds) the result of the import is awaited."""
        return self.bulk(
            "case-data",
            rows,
            wait=wait,
            case_type=case_type,
            search_field=search_field,
            search_column=search_column or search_field,
            create_new_cases="on" if create_new_cases else "off",
            **more,
        )

    @operation(example='commcare.bulk("lookup-table", {"types": [...], "village": [...]})', writes=True)
    def bulk(
        self, kind: Literal["case-data", "lookup-table"], data: Any, *, wait: float = 0, **params: Any
    ) -> dict[str, Any]:
        """Upload cases (rows) or lookup tables (rows by sheet, with a sheet `types`).

        With `replace=True` a lookup table's rows are replaced, otherwise the new ones come to those there are.
        With `wait` (seconds) the result is awaited.
        """
        if kind == "case-data":
            path, field = "importer/excel/bulk_upload_api/", "file"
            content = sheets.workbook({"Sheet1": data} if not isinstance(data, Mapping) else data)
        elif kind == "lookup-table":
            path, field, content = "fixtures/fixapi/", "file-to-upload", sheets.workbook(data)
            params = {"replace": False, **({"async": True} if wait else {}), **params}
        else:
            raise ValidationError(f"CommCare takes “case-data” or “lookup-table”, not “{kind}”.", sent=False)
        form = {field: ("data.xlsx", content, sheets.XLSX), **{n: _field(v) for n, v in params.items()}}
        said = self._uploaded(path, form)
        return self.wait(said["status_url"], seconds=wait) if wait and said.get("status_url") else said

    @operation(example='result = commcare.wait(upload["status_url"], seconds=120)')
    def wait(self, status_url: str, *, seconds: float = 120) -> dict[str, Any]:
        """The result of a bulk upload when it is done, with progress in the log."""
        end, told, pause = time.monotonic() + seconds, -1, 0.2
        while True:
            body = self._connection.get(_path(status_url)).body
            now = uploads.progress(body)
            if now.result is not None:
                return now.result
            if now.percent is not None and now.percent != told:
                self._context.log("info", f"CommCare has imported {now.percent} %.")
                told = now.percent
            if time.monotonic() + pause > end:
                raise Timeout(
                    f"CommCare had not imported the file after {seconds:g} seconds.", body=body, sent=True
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    @operation(example='commcare.request("GET", "user", params={"limit": 5})', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send a request of any method to a path of the list API; `.body` is the parsed answer."""
        full = path if path.startswith("/") or "://" in path else self._connection.api(path)
        return self._connection.request(method, full, data, **options)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        self._page("user", {"limit": 1})
        return f"CommCare accepts the credential for the project space {self._connection.domain}."

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return repr(self._connection)

    # ---- inside

    def _instance(self, data: dict[str, Any], *, key: str | None, root: str) -> str:
        if key:
            return forms.instance_id(f"{key}:{data.get('@xmlns', '')}")
        if not self._context.idempotency_key:
            return ""
        # A run submits many forms, and one must not take the place of another.
        content = forms.build(data, root=root).decode("utf-8")
        return forms.instance_id(f"{self._context.idempotency_key}:{content}")

    def _submitted(self, content: bytes, *, instance: str, openrosa: str | None) -> dict[str, Any]:
        app = f"{self._connection.app_id}/" if self._connection.app_id else ""
        response = self._connection.request(
            "POST",
            self._connection.space(f"receiver/{app}"),
            content,
            content_type="text/xml; charset=utf-8",
            headers={"X-OpenRosa-Version": openrosa} if openrosa else None,
            repeatable=bool(instance),
            parse_as="text",
            errors={422: False, 500: _unless_processed},
        )
        if self._context.dry_run:
            return {"instance_id": instance, "nature": "submit_success", "message": "(dry run)"}
        return {"instance_id": instance, **forms.judged(response.body or "", status=response.status)}

    def _uploaded(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        """What an upload is answered. A 500 with a code is about the file, not about the server."""
        response = self._connection.post(
            self._connection.space(path), form, content_type="multipart", errors={500: _unless_coded}
        )
        if self._context.dry_run:
            return {"code": 200, "message": "(dry run)"}
        problem = self._connection.problem(response)
        if problem is not None:
            raise problem
        said: dict[str, Any] = dict(self._connection.part(response.body))
        said["message"] = " ".join(str(said.get("message", "")).split())
        if said.get("code") == uploads.WARNED:
            self._context.log("warning", f"CommCare: {said['message']}")
        return said

    def _page(self, path: str, params: dict[str, Any]) -> Any:
        return self._connection.get(self._connection.api(path), params=moments.filters(params)).body

    def _following(
        self, path: str, params: dict[str, Any], page: Any, most: int | None
    ) -> Iterator[dict[str, Any]]:
        """The records of a page and of those after it. `next` is sometimes a path and sometimes only a query."""
        offsets: set[int] = set()
        while True:
            objects = self._connection.part(page, "objects", list)
            yield from objects
            meta = page.get("meta") or {}
            after = int(meta.get("offset") or 0) + (int(meta.get("limit") or 0) or len(objects))
            if not meta.get("next") or not objects:
                return
            if after in offsets:
                raise AdaptorError("CommCare hands out its pages in circles.", sent=True)
            offsets.add(after)
            limit = meta.get("limit") or _size(params, most)
            page = self._page(path, {**params, "limit": limit, "offset": after})


def _size(params: Mapping[str, Any], most: int | None) -> int:
    return int(params.get("limit") or min(PAGE, most or PAGE))


def _objects(page: Any) -> Any:
    return page["objects"] if isinstance(page, dict) and "objects" in page else page


def _unless_processed(response: Response) -> bool | None:
    """A 500 with a nature is about the form, not about the server."""
    return False if "nature=" in str(response.body) else None


def _path(url: str) -> str:
    """The status page's path: behind a proxy CommCare often names itself wrongly."""
    return httpx.URL(url).raw_path.decode("ascii") if "://" in url else url


def _unless_coded(response: Response) -> bool | None:
    code = response.body.get("code") if isinstance(response.body, dict) else None
    return False if isinstance(code, int) and code >= 400 else None


def _field(value: Any) -> Any:
    """A field of an upload: CommCare reads `true` and `false`."""
    return str(value).lower() if isinstance(value, bool) else value


def _part(value: Any) -> str:
    """An ID as one part of a path, whatever is in it."""
    return quote(str(value), safe="")
