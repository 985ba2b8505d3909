"""CARTO as a stand-in: who may, which call, which limits; the work is PostgreSQL's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import psycopg
from psycopg.sql import SQL, Identifier

from openfn_platform.demo.standins.carto import copies, formats
from openfn_platform.demo.standins.carto.database import EVERYBODY
from openfn_platform.demo.standins.carto.errors import JSON_TYPE, Refused, page, told
from openfn_platform.demo.standins.carto.execution import Outcome, execute
from openfn_platform.demo.standins.carto.jobs import Jobs
from openfn_platform.demo.standins.carto.parameters import (
    DEFAULT_KEY,
    body_of,
    copy_sql,
    credentials,
    wish_from,
)
from openfn_platform.demo.standins.carto.rates import Rates
from openfn_platform.demo.standins.carto.sessions import Sessions
from openfn_platform.demo.standins.partner import BadSetting, Partner
from openfn_platform.demo.standins.routing import Routes
from openfn_platform.demo.standins.store import Store
from openfn_platform.demo.standins.wire import Answer, Request

PATH = re.compile(r"(?:/user/(?P<user>[^/]+))?/api/v[12](?P<call>/sql(?:/.*)?)")
HOST = re.compile(r"(?P<user>[^.:]+)\.(?!\d)")  # account.example, but not 127.0.0.1
SYSTEM_TABLES = re.compile(r"\b(?:from|join)\s+(?:only\s+)?(?:pg_|information_schema\b)", re.IGNORECASE)


class Carto(Partner):
    """One CARTO account. With the default key one may read what was made public, with the master key all."""

    kind = "carto"
    settings: ClassVar[Mapping[str, Any]] = {
        "database": "",  # URL of a database of its own, see database.py; reset keeps it
        "account": "clinic",
        "organization": True,  # its users have a schema of their own name; others only `public`
        "api_key": "c0ffee0123456789c0ffee0123456789c0ffee01",
        "privacy": "public",  # what CDB_CartodbfyTable makes of a table: public (as in the free plan) or private
        "statement_timeout": 15.0,  # seconds; the refusal looks like a limit of the platform
        "longest_url": 8192,
        "rate_limit": None,  # calls per second, of each kind
        "error_while_streaming": None,  # a message: rows stop half-way, in an answer that began as a success
        "job_starts_after": 0.2,
        "job_takes": 0.3,
    }

    def __init__(self, store: Store, config: Mapping[str, Any] | None = None) -> None:
        super().__init__(store, config)
        if not self.config["database"]:
            raise BadSetting("carto needs the setting `database`: the URL of a database of its own.")
        self._sessions = Sessions(self.config["database"])
        self._jobs = Jobs(store, lambda: self.config, self._run_job)
        self._rates = Rates()
        self._routes = Routes()
        self._routes.add("/sql/job", POST=self.job_create)
        self._routes.add("/sql/job/{job_id}", GET=self.job_read, DELETE=self.job_cancel)
        self._routes.add("/sql/copyfrom", POST=self.copy_from)
        self._routes.add("/sql/copyto", GET=self.copy_to, POST=self.copy_to)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Turn settings; the database is for life."""
        if (
            self.config.get("database")
            and changes.get("database", self.config["database"]) != self.config["database"]
        ):
            raise BadSetting("carto keeps the database that it was started with.")
        super().configure(changes)

    def reset(self) -> None:
        """As new: without what callers made in the database."""
        database = self.config["database"]
        super().reset()
        self.config["database"] = database
        self._rates.clear()
        self._sessions.reset()

    def state(self) -> dict[str, Any]:
        """Tables and batch jobs."""
        self._jobs.advance()
        return {"tables": self._tables(), "jobs": self._jobs.all()}

    def control(self, request: Request, name: str) -> Answer | None:
        """`tables`, and `rows {"table"}`: all rows of one, with what a caller without a key would not see."""
        self._jobs.advance()
        if name == "tables":
            return Answer.json(200, self._tables())
        if name == "rows" and request.method == "POST":
            table = str(request.json().get("table"))
            if table not in {known["name"] for known in self._tables()}:
                raise ValueError(f"There is no table {table!r}.")
            session = self._session(master=True)
            query = SQL("SELECT * FROM public.{}").format(Identifier(table)).as_string(session)
            return Answer.json(200, execute(session, query).rows)
        return None

    def handle(self, request: Request) -> Answer:
        """Answer a call of the SQL API; everything may be asked from any website."""
        self._jobs.advance()
        try:
            answer = self._answer(request)
        except Refused as refusal:
            answer = refusal.answer()
        origins = {"Access-Control-Allow-Origin": "*"}
        return Answer(answer.status, answer.body, {**answer.headers, **origins})

    def _answer(self, request: Request) -> Answer:
        if len(request.target) > self.config["longest_url"]:
            return page(414, "Request-URI Too Large")
        path = PATH.fullmatch(request.path)
        if path is None:
            return page(404, "Not Found")
        host = HOST.match(request.headers.get("host", ""))
        self._known(path["user"] or (host and host["user"]))
        call = path["call"].rstrip("/")
        if call == "/sql":
            return self._limited("query", request, self.query)
        inner = Request(request.method, call, {}, b"")
        handler, named, _ = self._routes.find(inner)
        if handler is None:
            return page(404, "Not Found")
        return self._limited(handler.__name__, request, partial(handler, **named))

    def _known(self, user: str | None) -> None:
        if user not in (None, self.config["account"]):
            told_so = f"Sorry, we can't find CARTO user '{user}'."
            raise Refused(f"{told_so} Please check that you have entered the correct domain.", status=404)

    def _limited(self, group: str, request: Request, handler: Callable[[Request], Answer]) -> Answer:
        """The answer, or the refusal, with the headers of the limit."""
        limit = self._rates.take(group, self.config["rate_limit"])
        try:
            answer = handler(request)
        except Refused as refusal:
            answer = refusal.answer()
        return Answer(answer.status, answer.body, {**answer.headers, **limit})

    # --- the calls

    def query(self, request: Request) -> Answer:
        """`/sql`."""
        began, body = time.monotonic(), body_of(request)
        master = self._authorised(request, body)
        wish = wish_from(request, body)
        if not master and SYSTEM_TABLES.search(wish.sql):
            raise Refused("system tables are forbidden", status=403)
        run = partial(self._run, self._session(master=master))
        if wish.format == "geojson":
            return formats.as_geojson(wish, run)
        if wish.format == "csv":
            return formats.as_csv(wish, run)
        return formats.as_json(wish, run, self._sessions.notices, lambda: time.monotonic() - began)

    def copy_from(self, request: Request) -> Answer:
        """`/sql/copyfrom`: the parameters are in the URL, the body is the data."""
        began = time.monotonic()
        master = self._authorised(request, {})
        sql = copy_sql(request.query)
        session = self._session(master=master, statement_timeout="0")
        return copies.copy_from(session, sql, request, lambda: time.monotonic() - began)

    def copy_to(self, request: Request) -> Answer:
        """`/sql/copyto`."""
        body = body_of(request)
        master = self._authorised(request, body)
        given = {**request.query, **body}
        filename = str(given.get("filename") or copies.DEFAULT_FILE)
        return copies.copy_to(self._session(master=master, statement_timeout="0"), copy_sql(given), filename)

    def job_create(self, request: Request) -> Answer:
        """`POST /sql/job`: the size is looked at before the key."""
        body = body_of(request)
        self._jobs.check_size(body)
        self._only_master(request, body)
        return _json(201, self._jobs.create({**request.query, **body}.get("query")))

    def job_read(self, request: Request, job_id: str) -> Answer:
        """`GET /sql/job/{id}`."""
        self._only_master(request, {})
        return _json(200, self._jobs.read(job_id))

    def job_cancel(self, request: Request, job_id: str) -> Answer:
        """`DELETE /sql/job/{id}`."""
        self._only_master(request, body_of(request))
        return _json(200, self._jobs.cancel(job_id))

    # --- rights and sessions

    def _authorised(self, request: Request, body: Mapping[str, Any]) -> bool:
        """Whether it is the master key; an unknown key is no key at all."""
        user, key = credentials(request, body)
        if user is not None and user != self.config["account"]:
            raise Refused("permission denied")
        if key not in (self.config["api_key"], DEFAULT_KEY):
            raise Refused("Unauthorized", status=401)
        return bool(key == self.config["api_key"])

    def _only_master(self, request: Request, body: Mapping[str, Any]) -> None:
        if not self._authorised(request, body):
            raise Refused("permission denied")

    def _session(self, *, master: bool, statement_timeout: str | None = None) -> psycopg.Connection[Any]:
        milliseconds = str(int(self.config["statement_timeout"] * 1000))
        settings = {
            "carto.schema": self.config["account"] if self.config["organization"] else "public",
            "carto.privacy": self.config["privacy"],
            "statement_timeout": statement_timeout or milliseconds,
        }
        return self._sessions.session(master=master, settings=settings)

    def _run(self, session: psycopg.Connection[Any], sql: str) -> Outcome:
        """Execute, and break off when so set: half the rows, and what was written is undone."""
        failure = self.config["error_while_streaming"]
        if not failure:
            return execute(session, sql)
        session.execute("BEGIN")
        outcome = execute(session, sql)
        session.execute("ROLLBACK" if outcome.rows else "COMMIT")
        if outcome.rows:
            outcome.rows = outcome.rows[: max(len(outcome.rows) // 2, 1)]
            outcome.error = Refused(str(failure))
        return outcome

    def _run_job(self, sql: str) -> None:
        outcome = execute(self._session(master=True, statement_timeout="0"), sql)
        if outcome.error:
            raise outcome.error

    def _tables(self) -> list[dict[str, Any]]:
        session = self._session(master=True)
        names = session.execute(
            "SELECT relname, has_table_privilege(%s, oid, 'SELECT') FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY relname",
            [EVERYBODY],
        ).fetchall()
        count = SQL("SELECT count(*) FROM public.{}")
        return [
            {
                "name": name,
                "rows": session.execute(count.format(Identifier(name))).fetchall()[0][0],
                "public": public,
            }
            for name, public in names
        ]


def _json(status: int, value: object) -> Answer:
    return Answer(status, told(value), {"Content-Type": JSON_TYPE, "Vary": "Authorization"})
