"""`salesforce`: records by REST, two hundred at a time, and by bulk jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import quote
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import httpx
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from jobs.adaptors.auth import Auth, NoAuth, bearer
from jobs.adaptors.common import csv as tables
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, AuthError, Timeout, ValidationError
from jobs.adaptors.spec import AdaptorSpec, address, credential, operation, secret, text

LOGIN = "https://login.salesforce.com"
VERSION = "61.0"
AT_ONCE = 200
DEFAULT_MAX = 10_000
Record = Mapping[str, Any]
ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    '<n:login xmlns:n="urn:partner.soap.sforce.com"><n:username>{username}</n:username>'
    "<n:password>{password}</n:password></n:login></e:Body></e:Envelope>"
)


class Client(RestClient):
    """One organisation."""

    system = "Salesforce"
    message_paths = ("0.message", *RestClient.message_paths)
    headers: ClassVar[Mapping[str, str]] = {"Accept": "application/json"}
    schema = {
        **credential(
            {
                "loginUrl": address(
                    "Log-in address", "https://test.salesforce.com for a sandbox.", example=LOGIN
                ),
                "username": text("User name"),
                "password": secret("Password"),
                "securityToken": secret("Security token", "Asked for outside of trusted networks."),
                "access_token": secret("Access token", "Instead of name and password, with the instance."),
                "instance_url": address("Instance", example="https://clinic.my.salesforce.com"),
                "apiVersion": text("API version", default=VERSION),
            }
        ),
        "anyOf": [{"required": ["username", "password"]}, {"required": ["access_token", "instance_url"]}],
    }

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._root = f"/services/data/v{str(configuration.get('apiVersion') or VERSION).lstrip('v')}"

    def base_url(self, configuration: dict[str, Any]) -> str:
        return str(configuration.get("instance_url") or configuration.get("loginUrl") or LOGIN)

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        if configuration.get("access_token"):
            return bearer(configuration["access_token"])
        return _SoapLogIn()

    def dry_answer(self, method: str, path: str, data: Any) -> Any:
        if "/composite/sobjects" in path:
            count = len(data["records"]) if isinstance(data, dict) else 0
            return [{"id": "dry-run", "success": True, "errors": []} for _ in range(count)]
        return {"id": "dry-run", "state": "JobComplete"}

    # ---- reading

    @operation(example='contacts = salesforce.query("select Id, Name from Contact where Age__c > 60")')
    def query(self, soql: str, *, max: int | None = None) -> list[dict[str, Any]]:
        """The records of a query, all pages, at most `max` (10,000 unless told)."""
        wanted = DEFAULT_MAX if max is None else max
        found = list(islice(self.each(soql), wanted + 1 if max is None else wanted))
        if len(found) > wanted:
            self.context.log(
                "warning", f"Salesforce has more than {wanted:,} records here; pass max=… to read more."
            )
        return found[:wanted]

    @operation(example='for row in salesforce.each("select Id from Contact"): print(row["Id"])')
    def each(self, soql: str) -> Iterator[dict[str, Any]]:
        """The same one by one, without holding them all."""
        page = self.get(f"{self._root}/query", params={"q": soql}).body
        while True:
            yield from self.part(page).get("records") or ()
            if page.get("done", True) or not page.get("nextRecordsUrl"):
                return
            page = self.get(str(page["nextRecordsUrl"])).body

    @operation(example='salesforce.retrieve("Contact", "0035g00000ABCDE")')
    def retrieve(self, kind: str, id: str, *, fields: str | None = None) -> dict[str, Any]:
        """One record by its ID."""
        found = self.get(self._object(kind, id), params={"fields": fields} if fields else None)
        return dict(self.part(found.body))

    @operation(example='fields = salesforce.describe("Contact")["fields"]')
    def describe(self, kind: str | None = None) -> dict[str, Any]:
        """About a kind of record, or about all kinds."""
        found = self.get(f"{self._object(kind)}/describe" if kind else f"{self._root}/sobjects")
        return dict(self.part(found.body))

    # ---- writing

    @operation(example='salesforce.create("Contact", [{"LastName": "Diallo"}])', writes=True)
    def create(self, kind: str, records: Record | Iterable[Record]) -> dict[str, Any]:
        """Make records; answers `{success, completed, errors}`. Raises when all were refused."""
        return self._many("POST", "", _typed(kind, records))

    @operation(
        example='salesforce.update("Contact", [{"Id": "0035g00000ABCDE", "LastName": "Keita"}])', writes=True
    )
    def update(self, kind: str, records: Record | Iterable[Record]) -> dict[str, Any]:
        """Change records by their `Id`."""
        changed = ({**record, "id": record.get("Id", record.get("id"))} for record in _typed(kind, records))
        return self._many(
            "PATCH", "", ({n: v for n, v in each.items() if n != "Id"} for each in changed), repeatable=True
        )

    @operation(
        example='salesforce.upsert("Contact", "National_ID__c", [{"National_ID__c": "7", "LastName": "Keita"}])',
        writes=True,
    )
    def upsert(self, kind: str, external_id: str, records: Record | Iterable[Record]) -> dict[str, Any]:
        """Make records, or change those that have this external ID; sending them twice changes nothing more."""
        path = f"/{quote(kind, safe='')}/{quote(external_id, safe='')}"
        return self._many("PATCH", path, _typed(kind, records), repeatable=True)

    @operation(example='salesforce.destroy(["0035g00000ABCDE"])', writes=True)
    def destroy(self, ids: Iterable[str]) -> dict[str, Any]:
        """Delete records by their IDs."""
        results: list[dict[str, Any]] = []
        for part in _parts(ids, AT_ONCE):
            params = {"ids": ",".join(part), "allOrNone": "false"}
            answer = self.delete(f"{self._root}/composite/sobjects", params=params).body
            held = [{"success": True, "errors": []} for _ in part] if self.context.dry_run else None
            results += held or self.part(answer, kind=list)
        return self._summed(results)

    # ---- bulk

    @operation(
        example='salesforce.bulk_ingest("upsert", "Contact", rows, external_id="National_ID__c")', writes=True
    )
    def bulk_ingest(
        self,
        what: str,
        kind: str,
        rows: Iterable[Record],
        *,
        external_id: str | None = None,
        wait: float = 300,
    ) -> dict[str, Any]:
        """Insert, update, upsert or delete very many rows as one job; answers its numbers when it has ended.

        Refused rows are told in the log with the first reason; raises when all were refused.
        """
        job = {"operation": what, "object": kind, "contentType": "CSV", "lineEnding": "CRLF"}
        made = self.post(
            f"{self._root}/jobs/ingest", job | ({"externalIdFieldName": external_id} if external_id else {})
        )
        path = f"{self._root}/jobs/ingest/{self.part(made.body, 'id', str)}"
        # A job that was not closed does nothing, so that all of this may fail without harm.
        self.put(f"{path}/batches", tables.write(rows).encode("utf-8"), content_type="text/csv")
        self.patch(path, {"state": "UploadComplete"}, repeatable=False)
        if self.context.dry_run:
            return dict(made.body)
        job = self._awaited(path, wait)
        self._tell_refused(path, job)
        return job

    @operation(example='rows = salesforce.bulk_query("select Id, Name from Contact")')
    def bulk_query(self, soql: str, *, wait: float = 300) -> list[dict[str, str]]:
        """The rows of a query over very many records, as texts."""
        job = {"operation": "query", "query": soql}
        made = self.post(f"{self._root}/jobs/query", job, read_only=True, repeatable=True).body
        path = f"{self._root}/jobs/query/{self.part(made, 'id', str)}"
        rows, locator = list[dict[str, str]](), ""
        self._awaited(path, wait)
        while True:
            params = {"maxRecords": 10_000, **({"locator": locator} if locator else {})}
            page = self.get(f"{path}/results", params=params, headers={"Accept": "text/csv"}, parse_as="text")
            rows += tables.read(page.body or "", delimiter=",")
            locator = page.headers.get("sforce-locator", "null")
            if locator in ("", "null"):
                return rows

    @operation(example='salesforce.request("GET", "/services/apexrest/Visits").body', writes=True)
    def request(self, method: str, path: str, data: Any = None, **options: Any) -> Response:
        """Send any request to the organisation; `.body` is the parsed answer."""
        return super().request(method, path, data, **options)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        self.get(f"{self._root}/limits")
        return "Salesforce accepts the credential."

    # ---- inside

    def _object(self, kind: str, id: str = "") -> str:
        return f"{self._root}/sobjects/{quote(kind, safe='')}" + (f"/{quote(id, safe='')}" if id else "")

    def _many(
        self, method: str, path: str, records: Iterable[Record], *, repeatable: bool = False
    ) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for part in _parts(records, AT_ONCE):
            body = {"allOrNone": False, "records": part}
            answer = self.request(
                method, f"{self._root}/composite/sobjects{path}", body, repeatable=repeatable
            )
            results += self.part(answer.body, kind=list)
        return self._summed(results)

    def _summed(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        errors = [
            {"index": index, "id": each.get("id"), "message": _words(each)}
            for index, each in enumerate(results)
            if not each.get("success")
        ]
        completed = [each.get("id") for each in results if each.get("success")]
        if errors and not completed:
            raise ValidationError(
                f"Salesforce refused all {len(errors)} records; the first: {errors[0]['message']}",
                body=results,
                sent=False,
            )
        if errors:
            self.context.log("warning", f"Salesforce refused {len(errors)} of {len(results)} records.")
        return {"success": not errors, "completed": completed, "errors": errors}

    def _tell_refused(self, path: str, job: Mapping[str, Any]) -> None:
        """A job is complete also when rows of it were refused, be it every one."""
        refused, all_of = (int(job.get(f"numberRecords{what}") or 0) for what in ("Failed", "Processed"))
        if not refused:
            return
        page = self.get(f"{path}/failedResults", headers={"Accept": "text/csv"}, parse_as="text")
        rows = tables.read(page.body or "", delimiter=",")
        reason = str(rows[0].get("sf__Error") or "no reason given") if rows else "no reason given"
        said = f"Salesforce refused {refused:,} of {all_of:,} rows; the first: {self.redact(reason)}"
        if refused >= all_of:
            raise ValidationError(said, body=dict(job), sent=False)
        self.context.log("warning", said)

    def _awaited(self, path: str, seconds: float) -> dict[str, Any]:
        end, pause, told = time.monotonic() + seconds, 0.2, -1
        while True:
            job: dict[str, Any] = self.get(path).body
            self.part(job, "state", str)
            if job["state"] == "JobComplete":
                return job
            if job["state"] in ("Failed", "Aborted"):
                why = job.get("errorMessage") or job["state"]
                raise AdaptorError(f"Salesforce ended the job: {why}", body=job, sent=True)
            if (done := int(job.get("numberRecordsProcessed") or 0)) != told:
                self.context.log("info", f"Salesforce has processed {done} records.")
                told = done
            if time.monotonic() + pause > end:
                raise Timeout(
                    f"Salesforce's job had not ended after {seconds:g} seconds.", body=job, sent=True
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 5.0)


class _SoapLogIn(NoAuth):
    """Name, password and security token for a session, and the address of the organisation."""

    def __init__(self) -> None:
        self._session = ""

    def prepare(self, client: RestClient) -> tuple[str, ...]:
        return () if self._session else self.renew(client)

    def renew(self, client: RestClient) -> tuple[str, ...]:
        given = client._configuration
        password = f"{given['password']}{given.get('securityToken') or ''}"
        version = str(given.get("apiVersion") or VERSION).lstrip("v")
        content = ENVELOPE.format(username=escape(str(given["username"])), password=escape(password))
        login = str(given.get("loginUrl") or LOGIN).rstrip("/")
        client.http_client.move(login)
        response = client.ask(
            "POST",
            f"/services/Soap/u/{version}",
            content.encode("utf-8"),
            content_type="text/xml; charset=utf-8",
            headers={"SOAPAction": '""', "Accept": "text/xml"},
        )
        told = _soap(response.body)
        if not told.get("sessionId"):
            if response.status >= 500 and not told:
                raise client.error_of(response)
            said = told.get("faultstring") or "the log-in was refused"
            raise AuthError(f"Salesforce: {client.redact(said)}", sent=False)
        self._session = told["sessionId"]
        url = httpx.URL(told.get("serverUrl") or login)
        # From here on everything goes to the organisation's own address, which only the log-in knows.
        client.http_client.move(f"{url.scheme}://{url.netloc.decode('ascii')}")
        return (self._session, password)

    def apply(self, headers: dict[str, str], params: dict[str, Any]) -> None:
        bearer(self._session).apply(headers, params)


def _soap(body: Any) -> dict[str, str]:
    try:
        root = ElementTree.fromstring(str(body or ""))
    except (ParseError, DefusedXmlException, ValueError):
        return {}
    return {str(each.tag).rpartition("}")[2]: (each.text or "").strip() for each in root.iter()}


def _typed(kind: str, records: Record | Iterable[Record]) -> Iterator[dict[str, Any]]:
    for record in [records] if isinstance(records, Mapping) else records:
        yield {"attributes": {"type": kind}, **record}


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    them = iter(items)
    while part := list(islice(them, size)):
        yield part


def _words(result: Mapping[str, Any]) -> str:
    errors = result.get("errors") or []
    return (
        "; ".join(str(each.get("message") or each.get("statusCode")) for each in errors) or "no reason given"
    )


ADAPTOR = AdaptorSpec(
    name="salesforce",
    title="Salesforce",
    summary="Records of a Salesforce organisation, one by one or in bulk.",
    schema=Client.schema,
    client=Client,
)
