"""A job at the desk: a file with its code, run the way the platform runs it, without a database.

The same language, adaptors, limits and confined child as in a worker. What a run may ask of the platform is answered
from memory: `once` remembers for this one run, and earlier steps are what they are said to be.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.language.contract import Connection, LibrarySource, Request, RunFacts
from openfn_platform.common.errors import Invalid
from runs.hiding import secrets_of
from runs.sandbox.client import ZygoteClient
from runs.sandbox.limits import Limits
from runs.sandbox.logs import LogLine
from runs.sandbox.redaction import Redactor
from runs.sandbox.supervisor import Ended, supervise


@dataclass(frozen=True, kw_only=True)
class DeskJob:
    """What an author has lying about."""

    code: str
    language: str = "python"
    name: str = "desk"
    state: Mapping[str, Any] = field(default_factory=dict)
    connections: tuple[Connection, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Any] = field(default_factory=dict)  # job -> its final state
    tables: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # key of a table -> its rows
    library: tuple[LibrarySource, ...] = ()
    dry: bool = False
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class DeskEnd:
    """What came of it, without secrets."""

    ended: Ended
    state: Any  # final or partial; None when there is none

    @property
    def good(self) -> bool:
        return self.ended.result is not None and self.ended.result.failure is None


def desk_run(
    *, job: DeskJob, on_log: Callable[[list[LogLine]], None], limits: Limits | None = None
) -> DeskEnd:
    """Run it in a confined child of its own; lines are handed on as they come."""
    limits = limits or Limits()
    redactor = Redactor([secrets_of(connection) for connection in job.connections])
    zygote = ZygoteClient()
    try:
        zygote.start()
        ended = supervise(
            zygote=zygote,
            request=_request(job, limits),
            state=json.dumps(dict(job.state)).encode(),
            limits=limits,
            on_log=on_log,
            answer=DeskAnswers(steps=job.steps, tables=job.tables),
            redact=redactor,
        )
    finally:
        zygote.stop()
    state = None if ended.state is None else json.loads(redactor.data(ended.state))
    return DeskEnd(ended=ended, state=state)


def _request(job: DeskJob, limits: Limits) -> Request:
    return Request(
        language=job.language,
        code=job.code,
        connections=job.connections,
        settings=dict(job.settings),
        steps=tuple(job.steps),
        library=job.library,
        state_limit=limits.state_bytes,
        allow_private=True,  # at the desk, partners are often test servers next to it
        run=RunFacts(
            id=str(uuid.uuid4()),
            attempt=1,
            work_order="desk",
            project="desk",
            workflow="desk",
            job=job.name,
            idempotency_key=f"desk-{uuid.uuid4()}",
            mode="dry" if job.dry else "live",
            time_zone=job.time_zone,
        ),
    )


_NOTHING = object()


class DeskAnswers:
    """The platform's side of the channel, as long as one run lasts."""

    def __init__(
        self, *, steps: Mapping[str, Any], tables: Mapping[str, dict[str, Any]] | None = None
    ) -> None:
        self._steps = steps
        self._tables = {key: dict(rows) for key, rows in (tables or {}).items()}
        self._once: dict[str, dict[str, Any]] = {}
        self._written: set[tuple[str, str, str]] = set()

    def __call__(self, question: str, body: dict[str, Any]) -> dict[str, Any]:
        key = str(body.get("key"))
        match question:
            case "once.begin":
                before = self._once.get(key, {"status": "new"})
                self._once.setdefault(key, {"status": "unsure"})
                return before
            case "once.done":
                self._once[key] = {"status": "done", "result": body.get("result")}
            case "once.undo":
                self._once.pop(key, None)
            case "step.state":
                return {"state": self._steps.get(str(body.get("job")))}
            case "echo.wrote":
                self._written.add(_record(body))
            case "echo.came_from_us":
                return {"ours": _record(body) in self._written}
            case "table.open":
                rows = self._tables.get(str(body.get("table")))
                if rows is None:
                    return {"known": False, "tables": sorted(self._tables)}
                return {"known": True, "kind": "lookup", "count": len(rows), "rows": [*rows.items()]}
            case "table.set":
                return {"done": [self._set(body, key, value) for key, value in body["rows"]]}
            case "table.delete":
                rows = self._tables[str(body["table"])]
                return {"removed": sum(rows.pop(each, _NOTHING) is not _NOTHING for each in body["keys"])}
            case _:
                raise Invalid(f"A job cannot ask “{question[:40]}”.")
        return {}

    def _set(self, body: dict[str, Any], key: str, value: Any) -> bool:
        rows = self._tables[str(body["table"])]
        if body.get("if_absent") and key in rows:
            return False
        rows[key] = value
        return True


def _record(body: dict[str, Any]) -> tuple[str, str, str]:
    return str(body.get("system")), str(body.get("id")), str(body.get("hash"))
