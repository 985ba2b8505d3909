"""DHIS2 2.41 as a stand-in: who may, which endpoint, which version in the path.

What it answers comes from three kinds of knowledge; whoever finds it at odds with a real server is right.

**From the documentation and source of DHIS2, or fixtures of other clients** (so a client may be held to it):

- 401 and its body; `Authorization: ApiToken …`; paths with and without a version.
- Tracker import: asynchronous by default, the bare report of a synchronous one, 409 on `ERROR`, what `OBJECT` commits,
  the codes and their texts, job log and report with 404 until done; flat and nested payloads; collections are merged on
  update, everything else is replaced; deletion cascades.
- Tracker export: parameters, operators, spans, modes, pages of 50, totals only on request, newest first, default fields.
- Data value sets: parameters, the summary with conflicts and rejected indexes, 409 for warnings too; the bare summary
  with 200 for paths below version 38 (setting `legacy_summaries` for all paths); the asynchronous answer.
- Single data values; the codes of metadata errors; ImportSummaries of the older endpoints; envelope of event hooks.

**From memory**:

- Bodies of metadata writes (ObjectReport after POST and PUT, ErrorReports after PATCH), 415 for a PATCH that is not
  `application/json-patch+json`, `E4030` for what is still in use, the wrapped report of `POST /api/metadata`.
- Metadata lists stay on their last page when a later one is asked for; names sort them.
- The wording of 400s and 404s of the export; `instances` beside `page` and `pageSize` without a pager.
- `openFuturePeriods` 0 closes the running period; zeros that are not significant are ignored without a word.
- `{}` as the summary of a data value import that still runs.

**Its own**: one user who may do everything; values of an event have the times of the event; `validationMode=SKIP`
checks all the same; program rules, CSV, XML, sharing, approval and expiry are not there; an event program's events are
told to `event_hook` (see `hooks.py`).

`importStrategy` of the tracker defaults to `CREATE`, as in the documentation and older servers; newer ones have
`CREATE_AND_UPDATE` (setting `default_strategy`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from openfn_platform.demo.standins.dhis2.datavalue_api import DataValueApi
from openfn_platform.demo.standins.dhis2.datavalues import DataValues
from openfn_platform.demo.standins.dhis2.fields import cut, fields_from
from openfn_platform.demo.standins.dhis2.generator import Generator
from openfn_platform.demo.standins.dhis2.hooks import tell
from openfn_platform.demo.standins.dhis2.jobs import Jobs
from openfn_platform.demo.standins.dhis2.legacy import PLURALS, Legacy
from openfn_platform.demo.standins.dhis2.metadata import Metadata
from openfn_platform.demo.standins.dhis2.metadata_api import MetadataApi, body_object
from openfn_platform.demo.standins.dhis2.metadata_import import metadata_import
from openfn_platform.demo.standins.dhis2.params import Params
from openfn_platform.demo.standins.dhis2.records import EVENT, Book
from openfn_platform.demo.standins.dhis2.reports import METADATA_FAILED, ApiError, told
from openfn_platform.demo.standins.dhis2.schemes import Schemes
from openfn_platform.demo.standins.dhis2.seeds import LUMARA, seed
from openfn_platform.demo.standins.dhis2.tracker_api import TrackerApi
from openfn_platform.demo.standins.dhis2.tracker_import import TrackerImporter
from openfn_platform.demo.standins.dhis2.tracker_payload import Item
from openfn_platform.demo.standins.dhis2.tracker_shapes import Shapes
from openfn_platform.demo.standins.dhis2.uids import derived_uid
from openfn_platform.demo.standins.partner import Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.store import Store
from openfn_platform.demo.standins.wire import Answer, Request

VERSION = "2.41.3"
FIRST_WRAPPED = 38  # from this API version on summaries come in a web message
_API = re.compile(r"(?P<before>.*?/api)(?:/(?P<version>\d{2}))?(?P<rest>/.*)", re.ASCII)
_FIELDS_OF_HOOK = fields_from("*,!relationships")


class DHIS2(Partner):
    """One DHIS2 with one user."""

    kind = "dhis2"
    settings: ClassVar[Mapping[str, Any]] = {
        "username": "demo",
        "password": "District-1",
        "pat": "d2pat_StandInStandInStandInStandIn1234567890",
        "job_seconds": 0.3,  # an asynchronous import takes so long
        "default_strategy": "CREATE",  # of the tracker import; newer servers: CREATE_AND_UPDATE
        "legacy_summaries": False,  # import summaries without an envelope, always with 200
        "instances_key": False,  # the tracker export answers under `instances`
        "event_hook": None,  # this URL hears of events that are created, updated or deleted
        "event_hook_headers": {},
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        self.metadata = Metadata(store)
        super().__init__(store, config)
        self.book = Book(store)
        self.values = DataValues(store, self.metadata)
        self.generator = Generator(store, self.metadata, self.book)
        self._build()
        if store.restored:
            self.generator.restore()

    def _build(self) -> None:
        """Everything that holds on to the present settings."""
        self.jobs = Jobs(self.config)
        importer = TrackerImporter(self.metadata, self.book, self._tell)
        self._data = DataValueApi(self.values, self.jobs, self.config)
        self._tracker = TrackerApi(self.metadata, self.book, importer, self.jobs, self.config)
        self._legacy = Legacy(self.metadata, self.book, importer, self.config)
        self._metadata_api = MetadataApi(self.metadata)
        self._routes = self._routed()

    def _routed(self) -> Routes:
        routes, data, tracker, metadata = Routes(), self._data, self._tracker, self._metadata_api
        routes.add("/me", GET=self.me)
        routes.add("/system/info", GET=self.info)
        routes.add("/system/tasks/{kind}/{uid}", GET=data.tasks)
        routes.add("/system/taskSummaries/{kind}/{uid}", GET=data.summary)
        routes.add("/resources", GET=metadata.resources)
        routes.add("/metadata", POST=self.import_metadata)
        routes.add("/dataValueSets", GET=data.export, POST=self.import_values)
        routes.add("/dataValues", GET=data.read, POST=data.save, DELETE=data.delete)
        routes.add("/tracker", POST=tracker.post)
        routes.add("/tracker/jobs/{uid}", GET=tracker.job)
        routes.add("/tracker/jobs/{uid}/report", GET=tracker.job_report)
        routes.add("/tracker/{plural}", GET=tracker.browse)
        routes.add("/tracker/{plural}/{uid}", GET=tracker.read)
        routes.add("/{plural}", GET=self.browse, POST=self.create)
        routes.add("/{plural}/{uid}", GET=self.read, PUT=self.put, PATCH=metadata.patch, DELETE=self.delete)
        return routes

    def seed(self) -> None:
        """Lumara and its programs."""
        seed(self.metadata)

    def reset(self) -> None:
        """As new, without jobs."""
        super().reset()
        self.book.index()
        self._build()

    def state(self) -> dict[str, Any]:
        """All records; what is due is done first."""
        self.jobs.run_due()
        return super().state()

    def control(self, request: Request, name: str) -> Answer | None:
        """`POST events`: make many events; see `generator.py`."""
        if name != "events" or request.method != "POST":
            return None
        wish = request.json()
        if not isinstance(wish, dict):
            raise ValueError('Send {"count": N}, and if you like "program", "days", "seed".')
        return Answer.json(200, self.generator.make(wish))

    def handle(self, request: Request) -> Answer:
        """Answer a request: first who asks, then what for."""
        self.jobs.run_due()
        try:
            self._authenticate(request)
            path = _API.fullmatch(request.path)
            if path is None:
                raise ApiError(404, f"HTTP 404 Not Found: {request.path}")
            inner = Request(request.method, path["rest"].rstrip("/").removesuffix(".json"), {}, b"")
            handler, named, exists = self._routes.find(inner)
            if not exists:
                raise ApiError(404, f"HTTP 404 Not Found: {request.path}")
            if handler is None:
                raise ApiError(405, f"Request method '{request.method}' is not supported")
            return handler(request, **named)
        except ApiError as error:
            return error.answer()

    # -- endpoints that are nobody else's

    def me(self, request: Request) -> Answer:
        """GET me: the usual test of credentials."""
        username = self.config["username"]
        user = {
            "id": derived_uid(username),
            "username": username,
            "firstName": "Demo",
            "surname": "User",
            "name": "Demo User",
            "displayName": "Demo User",
            "authorities": ["ALL"],
            "organisationUnits": [{"id": LUMARA}],
            "dataViewOrganisationUnits": [{"id": LUMARA}],
        }
        fields = fields_from(",".join(Params.of(request).all("fields")) or "*")
        return Answer.json(200, cut(user, fields, self.metadata.resolve))

    def info(self, request: Request) -> Answer:
        """GET system/info."""
        shown = {"version": VERSION, "systemName": "Lumara HMIS", "contextPath": request.origin}
        return Answer.json(200, {**shown, "calendar": "iso8601", "dateFormat": "yyyy-mm-dd"})

    def import_values(self, request: Request) -> Answer:
        """POST dataValueSets."""
        return self._data.import_set(request, plain=self._plain(request))

    def import_metadata(self, request: Request) -> Answer:
        """POST metadata."""
        report = metadata_import(self.metadata, body_object(request), Params.of(request))
        if self._plain(request):
            return Answer.json(200, report)
        if report["status"] == "OK":
            return told(200, response=report)
        return told(409, status=report["status"], message=METADATA_FAILED, response=report)

    # -- older tracker endpoints and metadata share their paths' form

    def browse(self, request: Request, plural: str) -> Answer:
        """GET many."""
        return (self._legacy if plural in PLURALS else self._metadata_api).browse(request, plural)

    def read(self, request: Request, plural: str, uid: str) -> Answer:
        """GET one."""
        return (self._legacy if plural in PLURALS else self._metadata_api).read(request, plural, uid)

    def create(self, request: Request, plural: str) -> Answer:
        """POST one, or, of the older tracker endpoints, some."""
        if plural in PLURALS:
            return self._legacy.post(request, plural)
        return self._metadata_api.create(request, plural)

    def put(self, request: Request, plural: str, uid: str) -> Answer:
        """PUT one."""
        if plural in PLURALS:
            return self._legacy.put(request, plural, uid)
        return self._metadata_api.replace(request, plural, uid)

    def delete(self, request: Request, plural: str, uid: str) -> Answer:
        """DELETE one."""
        return (self._legacy if plural in PLURALS else self._metadata_api).delete(request, plural, uid)

    def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "apitoken":
            if token.strip() == self.config["pat"]:
                return
            raise ApiError(401, "The API token does not exist")
        if request.basic_auth != (self.config["username"], self.config["password"]):
            raise ApiError(401, "Unauthorized", WWW_Authenticate='Basic realm="DHIS2"')

    def _plain(self, request: Request) -> bool:
        path = _API.fullmatch(request.path)
        old = path is not None and path["version"] is not None and int(path["version"]) < FIRST_WRAPPED
        return old or bool(self.config["legacy_summaries"])

    def _tell(self, done: str, item: Item) -> None:
        if item.type is not EVENT or not self.config["event_hook"]:
            return
        record = self.book.find(EVENT, item.uid)
        if record is not None:
            shapes = Shapes(self.metadata, self.book, Schemes(self.metadata, Params({})))
            shown = {"event": item.uid} if done == "deleted" else shapes.event(record, _FIELDS_OF_HOOK)
            tell(self.config, self.call_later, done, item.uid, shown)
