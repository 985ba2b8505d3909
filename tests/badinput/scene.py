"""A web server process, a project with one of everything behind it, and the rule that every bad input is held to.

The rows are committed once for a whole module, because another process must see them. So "nothing was stored" is
what it says: no row of any table came, went or changed while the question was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client

from openfn_platform.projects.models import AuditEntry, Membership, User
from tests.api.cast import ALL, Clinic
from tests.api.test_scopes import things_of
from tests.triggers.serving import Answer, Server, request_of
from triggers.models import Message

OURS = ("projects", "jobs", "triggers", "runs")
# What a question that is refused may leave behind: that it was refused, that a token was used, that one is logged in.
TRACES = {"refusal", "refusal_count", "rate_bucket", "api_token", "inbox_auth", "session"}
PROGRAMMERS_WORDS = re.compile(
    r"Traceback|\b\w+(?:Error|Exception)\b|object at 0x|<class|django|rest_framework|psycopg|(?<!If-)None\b"
)


def is_sentence(text: str) -> bool:
    """For a person: it ends, it says more than a word, and nothing in it is for those who wrote the program."""
    return len(text) > 15 and text.endswith((".", "!")) and not PROGRAMMERS_WORDS.search(text)


def our_models() -> list[type[Model]]:
    return [model for each in OURS for model in apps.get_app_config(each).get_models()]


@dataclass
class Scene:
    """Who asks, and whom."""

    server: Server
    clinic: Clinic
    stranger: Clinic
    things: dict[str, Any]
    token: str
    browser: Client
    _tables: list[str] = field(default_factory=list)

    # --- asking -----------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return f"/inbox/{self.clinic.inbox.address}"

    def inbox(self, body: bytes, *, path: str = "", **headers: Any) -> Answer | None:
        return self.server.send(request_of(path or self.address, body, **headers))

    def api(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **more: Any
    ) -> Answer:
        """One call with a token that may do everything; `more`: headers."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        more = {"authorization": f"Bearer {self.token}", "if_match": "*", **more}
        answer = self.server.send(request_of(f"/api/v1/{path}", content, method=method, **more))
        assert answer is not None
        return answer

    def get(self, path: str, **parameters: str) -> Answer:
        query = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        return self.api("GET", path + query)

    # --- the rule ---------------------------------------------------------------------------------

    def refused(self, answer: Answer | None, *statuses: int) -> dict[str, Any]:
        """The problem document, with a sentence and without what was sent."""
        assert answer is not None, "it hung up"
        assert answer.status in (statuses or range(400, 500)), (answer.status, answer.body[:400])
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json
        assert told["status"] == answer.status
        assert is_sentence(told["detail"]), told["detail"]
        assert "canary" not in told["detail"]
        return told

    def taken(self, answer: Answer | None) -> Message:
        assert answer is not None, "it hung up"
        assert answer.status == 202, answer
        return Message.objects.get(pk=answer.json["message"])

    @contextmanager
    def nothing_stored(self, *, but: str = "") -> Iterator[None]:
        before = self.stored()
        yield
        after = self.stored()
        changed = {name for name, row in after.items() if row != before[name] and name != but}
        last = AuditEntry.objects.order_by("-id").values_list("action", flat=True)[:3] if changed else []
        assert not changed, (changed, list(last))

    def stored(self) -> dict[str, tuple[int, int]]:
        """How many rows each table has, and which transaction was the last to write one."""
        if not self._tables:
            self._tables = sorted({model._meta.db_table for model in our_models()} - TRACES)
        parts = (
            f"SELECT '{name}', count(*), coalesce(max(xmin::text::bigint), 0) FROM \"{name}\""
            for name in self._tables
        )
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts))
            return {name: (count, last) for name, count, last in cursor.fetchall()}


def scene_build(server: Server) -> Scene:
    clinic, stranger = Clinic(), Clinic("Another clinic")
    things = things_of(clinic)
    browser = Client(raise_request_exception=False)
    browser.force_login(_owner(clinic))
    scene = Scene(server, clinic, stranger, things, clinic.token(*ALL)[1], browser)
    assert scene.get("project").status == 200  # that a token is used from a new address is noted once
    return scene


def _owner(clinic: Clinic) -> User:
    Membership.objects.filter(user=clinic.owner).update(may_see_data=True)
    return clinic.owner


def scene_remove() -> None:
    """As tests with a database of their own leave it: empty."""
    call_command("flush", verbosity=0, interactive=False, allow_cascade=False, inhibit_post_migrate=True)
