"""CommCare HQ as a stand-in: which path, who may, and the knobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.commcare.access import Access
from openfn_platform.demo.standins.commcare.answers import NO_PAGE, Refused, error, page
from openfn_platform.demo.standins.commcare.caseapi import CaseApi
from openfn_platform.demo.standins.commcare.forwarding import Forwarding
from openfn_platform.demo.standins.commcare.lists import Lists
from openfn_platform.demo.standins.commcare.receiver import Receiver
from openfn_platform.demo.standins.commcare.registrations import registration_xml
from openfn_platform.demo.standins.commcare.reports import Reports
from openfn_platform.demo.standins.commcare.seeds import API_USER, APP, DOMAIN, seed
from openfn_platform.demo.standins.commcare.submissions import Submissions
from openfn_platform.demo.standins.commcare.tables import Tables
from openfn_platform.demo.standins.commcare.uploads import Uploads
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.store import Store
from openfn_platform.demo.standins.wire import Answer, Request

SPACE = "/a/{domain}"
V2 = f"{SPACE}/api/case/v2"


class CommCareHQ(Partner):
    """One CommCare HQ with one project space and one API user."""

    kind = "commcare"
    settings: ClassVar[Mapping[str, Any]] = {
        "username": "integration@clinic.example",
        "api_key": "0123456789abcdef0123456789abcdef01234567",
        "password": "Clinic123",
        "user_id": API_USER,
        "domain": DOMAIN,
        "app_id": APP,
        "forbidden": [],  # areas that the user lacks the permission for: "form", "receiver", "importer" …
        "rate_limit": None,  # more than so many requests in a second are refused
        "rate_limit_text": "Rate limits are applied per user and project space. Back off and retry",
        "next_style": "query",  # of `meta.next`: "query" as v0.5, "path" as v1
        "form_id_key": "xform_id",  # of the answers of case API v2; newer servers say "form_id"
        "public_base": None,  # what links begin with, when a proxy stands before the server
        "blocked": False,  # submissions are turned away because there were too many
        "import_seconds": 0.0,  # until an uploaded file of cases is imported
        "upload_error_status": 200,  # of an answer with `code: 500`; newer servers really answer 500
        "forward_forms_to": None,
        "forward_cases_to": None,
        "forward_format": "json",  # or "xml"; for forms also "stub"
        "forward_headers": {},
        "forward_retry_seconds": 0.3,  # doubled with each further try
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        self._access = Access()
        forwarding = Forwarding(lambda: self.config, lambda callback: self.call_later(callback))
        self._submissions = Submissions(store, forwarding)
        super().__init__(store, config)
        self._uploads = Uploads(store, self._submissions, lambda: self.config)
        self._routes = self._routed()

    def seed(self) -> None:
        """A project space at work."""
        seed(self.store, self._submissions)

    def reset(self) -> None:
        """As new, and no requests within the last second."""
        super().reset()
        self._access = Access()

    def handle(self, request: Request) -> Answer:
        """Answer a request: the project space first, then the user, then the rest."""
        self._uploads.settle()
        handler, named, exists = self._routes.find(request)
        try:
            if not exists or named["domain"] != self.config["domain"]:
                raise Refused(page(404, NO_PAGE))
            plain = "/api/" not in request.path or "/case/v2" in request.path
            self._access.check(request, self.config, area=_area(request.path), plain=plain)
            if handler is None:
                raise Refused(error(405, "Request method not allowed"))
            return handler(request, **named)
        except Refused as refusal:
            return refusal.answer

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST registrations {"count": N}` and `POST archive {"form_id"}`."""
        if request.method != "POST" or name not in ("registrations", "archive"):
            return None
        wanted = request.json()
        if not isinstance(wanted, dict):
            raise ValueError("Send a JSON object.")
        if name == "registrations":
            return self._register(wanted.get("count", 1))
        if wanted.get("form_id") not in self.store.table("form"):
            raise ValueError("There is no form with that id.")
        return Answer.json(200, {"archived": self._submissions.archive(wanted["form_id"])["id"]})

    def _register(self, count: object) -> Answer:
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ValueError('Send {"count": a number from 1}.')
        worker = next(iter(self.store.table("user").values()))
        made = len(self.store.table("form"))  # forms are never deleted, so this number is always a new one
        ids = []
        for number in range(made, made + count):
            body = registration_xml(number, worker)
            accepted = self._submissions.submit(body, app_id=self.config["app_id"], from_phone=True)
            ids.append(accepted.form["id"])
        return Answer.json(200, {"form_ids": ids})

    def _routed(self) -> Routes:
        store, settings = self.store, lambda: self.config
        lists, cases = Lists(store, settings), CaseApi(store, self._submissions, settings)
        receiver, tables = Receiver(self._submissions, settings), Tables(store, settings)
        reports, routes = Reports(store), Routes()
        routes.add(f"{SPACE}/receiver/", POST=receiver.post)
        routes.add(f"{SPACE}/receiver/{{app}}/", POST=receiver.post)
        routes.add(f"{SPACE}/importer/excel/bulk_upload_api/", POST=self._uploads.post)
        routes.add(f"{SPACE}/importer/excel/status/{{key}}/", GET=self._uploads.status)
        routes.add(f"{SPACE}/fixtures/fixapi/", POST=tables.post)
        routes.add(f"{SPACE}/fixtures/fixapi/status/{{key}}/", GET=tables.status)
        routes.add(f"{V2}/bulk-fetch/", POST=cases.fetch)
        routes.add(f"{V2}/ext/{{external}}/", GET=cases.one_external, PUT=cases.put_external)
        for end in ("/", ""):
            routes.add(f"{V2}{end}", GET=cases.many, POST=cases.post, PUT=cases.put)
            routes.add(f"{V2}/{{key}}{end}", GET=cases.one, PUT=cases.put_one)
            for path in ("v0.5/configurablereportdata", "configurablereportdata/v1"):
                routes.add(f"{SPACE}/api/{path}/{{key}}{end}", GET=reports.one)
            for path in ("v0.5/{name}", "{name}/v1"):
                routes.add(f"{SPACE}/api/{path}{end}", GET=lists.many, POST=lists.make)
                one = {"GET": lists.one, "PUT": lists.change, "DELETE": lists.remove}
                routes.add(f"{SPACE}/api/{path}/{{key}}{end}", **one)
        return routes


def _area(path: str) -> str:
    """What a permission is about: `form`, `case`, `receiver`, `importer`, `fixtures` …"""
    parts = [part for part in path.split("/")[3:] if part not in ("api", "v0.5", "v1", "v2")]
    return next((part for part in parts if part), "")
