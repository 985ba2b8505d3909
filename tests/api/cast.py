"""A clinic with everything that the API shows, and the programs that ask."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from openfn_platform.common.words import words_of
from openfn_platform.projects.models import ApiToken, Scope
from openfn_platform.projects.tokens import token_create
from runs.models import (
    FAILED_STATES,
    Cause,
    HttpExchange,
    Incident,
    LogLine,
    Run,
    RunState,
    StateKind,
    WorkOrder,
)
from runs.states import encode, state_store
from tests.flows.world import World
from triggers.models import Message

UNKNOWN = "01900000-0000-7000-8000-000000000000"
CANARY = "canary-jane-doe"  # stands in everything that is data
ALL = tuple(Scope)


class Caller:
    """A program with a token, or with a wrong one, or with none."""

    def __init__(self, token: str | None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, *, headers: Any = None, **parameters: Any) -> Any:
        return self.client.get(address(path), parameters, headers={**self.headers, **(headers or {})})

    def post(self, path: str, body: Any = None, raw: bytes | None = None, **parameters: Any) -> Any:
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        return self.client.post(
            address(path),
            content,
            content_type="application/json",
            headers=self.headers,
            query_params=parameters or None,
        )

    def send(
        self, method: str, path: str, body: Any = None, *, match: str | None = None, **named: str
    ) -> Any:
        """A change. `match` goes into If-Match; None: what is read from there at that moment.

        `named` are further headers, an underscore for each hyphen.
        """
        if match is None:
            match = self.get(path).headers.get("ETag", "*")
        headers = {**self.headers, **{name.replace("_", "-"): value for name, value in named.items()}}
        if match:
            headers["if-match"] = match
        content = b"" if body is None else json.dumps(body).encode()
        return self.client.generic(
            method, address(path), content, content_type="application/json", headers=headers
        )

    def patch(self, path: str, body: Any, *, match: str | None = None) -> Any:
        return self.send("PATCH", path, body, match=match)

    def put(self, path: str, body: Any, *, match: str | None = None) -> Any:
        return self.send("PUT", path, body, match=match)

    def delete(self, path: str, *, match: str | None = None) -> Any:
        return self.send("DELETE", path, match=match)

    def results(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.content
        rows: list[dict[str, Any]] = answer.json()["results"]
        return rows

    def ids(self, path: str, **parameters: Any) -> list[str]:
        return [row["id"] for row in self.results(path, **parameters)]


def address(path: str) -> str:
    return path if path.startswith(("/", "http")) else f"/api/v1/{path}"


class Clinic(World):
    """A project that programs ask about."""

    canary = CANARY

    def token(self, *scopes: str, **fields: Any) -> tuple[ApiToken, str]:
        name = f"token {ApiToken.objects.count()}"
        return token_create(project=self.project, name=name, scopes=scopes, by=self.owner, **fields)

    def caller(self, *scopes: str) -> Caller:
        return Caller(self.token(*(scopes or ALL))[1])

    def message(self, body: Any = None) -> Message:
        accepted = self.post({"name": self.canary} if body is None else body)
        return Message.objects.get(pk=accepted.answer["message"])

    def run(self, state: str = RunState.FAILED, **fields: Any) -> Run:
        """A run as it would stand there, with input, final state and a log."""
        job = fields.pop("job", None) or self.job()
        order = fields.pop("work_order", None) or WorkOrder.objects.create(
            project=self.project, workflow=self.workflow, cause=Cause.API
        )
        ended: dict[str, Any] = (
            {"finished_at": timezone.now()} if state not in ("available", "claimed", "started") else {}
        )
        if state in FAILED_STATES:
            ended["error_message"] = f'The partner does not know "{self.canary}".'
        data = encode({"data": {"name": self.canary}, "extra": 1.50})
        run = Run.objects.create(
            project=self.project,
            workflow=self.workflow,
            work_order=order,
            job=job,
            state=state,
            **{
                "input": state_store(project_id=self.project.pk, kind=StateKind.INPUT, raw=data),
                "final": state_store(project_id=self.project.pk, kind=StateKind.FINAL, raw=data),
                **ended,
                **fields,
            },
        )
        self.log(run, f"seen {self.canary}")
        self.exchange(run)
        return run

    def exchange(self, run: Run, **fields: Any) -> HttpExchange:
        """A write to a partner, with data in everything that may be data."""
        values: dict[str, Any] = {
            "seq": HttpExchange.objects.filter(run_id=run.pk).count() + 1,
            "at": timezone.now(),
            "connection": "dhis2",
            "method": "POST",
            "url": f"https://dhis2.example/api/{self.canary}?name={self.canary}",
            "write": True,
            "status": 201,
            "error": f"seen {self.canary}",
            "request_body": json.dumps({"name": self.canary}),
            **fields,
        }
        return HttpExchange.objects.create(
            project_id=run.project_id,
            run_id=run.pk,
            job_id=run.job_id,
            work_order_id=run.work_order_id,
            words=words_of(values["url"], values["request_body"]),
            **values,
        )

    def log(self, run: Run, *lines: str) -> None:
        start = LogLine.objects.filter(run_id=run.pk).count()
        LogLine.objects.bulk_create(
            LogLine(
                project_id=run.project_id,
                run_id=run.pk,
                seq=start + n,
                at=timezone.now(),
                level="info",
                text=line,
            )
            for n, line in enumerate(lines, start=1)
        )

    def incident(self, **fields: Any) -> Incident:
        mark = f"mark-{Incident.objects.count()}"
        return Incident.objects.create(
            **{"project": self.project, "fingerprint": mark, "title": "Create patient failed", **fields}
        )


def problem(answer: Any, status: int) -> str:
    """The sentence of a problem document of that status."""
    assert answer.status_code == status, (answer.status_code, answer.content[:300])
    assert answer["Content-Type"] == "application/problem+json"
    body = json.loads(answer.content)
    assert body["status"] == status
    assert body["detail"].endswith((".", "!")), body
    sentence: str = body["detail"]
    return sentence
