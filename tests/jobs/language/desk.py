"""A desk to run jobs at: a channel with a memory, fake connections, and everything that was emitted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jobs.adaptors.context import Context
from jobs.language.channel import ChannelError
from jobs.language.contract import Connection, Request, Result, RunFacts
from jobs.language.runtime import execute

FACTS: dict[str, Any] = {
    "id": "run-1",
    "attempt": 1,
    "work_order": "order-1",
    "project": "clinic",
    "workflow": "registration",
    "job": "register",
    "idempotency_key": "key-1",
}


@dataclass
class Memory:
    """The supervisor's side of the channel, in memory; it outlives a run as the platform's does."""

    steps: dict[str, Any] = field(default_factory=dict)
    once: dict[str, Any] = field(default_factory=dict)
    echoes: set[tuple[str, str, str]] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    broken: bool = False

    def ask(self, question: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(question)
        if self.broken:
            raise ChannelError("the supervisor is gone")
        body = json.loads(json.dumps(body))
        answer: dict[str, Any] = getattr(self, question.replace(".", "_"))(**body)
        return answer

    def once_begin(self, key: str) -> dict[str, Any]:
        if key not in self.once:
            self.once[key] = None
            return {"status": "new"}
        return self.once[key] or {"status": "unsure"}

    def once_done(self, key: str, result: Any) -> dict[str, Any]:
        self.once[key] = {"status": "done", "result": result}
        return {}

    def once_undo(self, key: str) -> dict[str, Any]:
        del self.once[key]
        return {}

    def step_state(self, job: str) -> dict[str, Any]:
        return {"state": self.steps.get(job)}

    def echo_wrote(self, system: str, id: str, hash: str) -> dict[str, Any]:
        self.echoes.add((system, id, hash))
        return {}

    def echo_came_from_us(self, system: str, id: str, hash: str) -> dict[str, Any]:
        return {"ours": (system, id, hash) in self.echoes}


@dataclass
class Done:
    """What one run left behind."""

    result: Result
    final_bytes: bytes | None
    memory_bytes: bytes | None
    events: list[dict[str, Any]]

    @property
    def outcome(self) -> str:
        return str(self.result.outcome)

    @property
    def final(self) -> Any:
        assert self.final_bytes is not None, self.result
        return json.loads(self.final_bytes)

    @property
    def memory(self) -> Any:
        assert self.memory_bytes is not None, self.result
        return json.loads(self.memory_bytes)

    @property
    def failure(self) -> Any:
        assert self.result.failure is not None, self.result
        return self.result.failure

    @property
    def message(self) -> str:
        return str(self.failure.message)

    def lines(self, *, source: str = "job") -> list[tuple[str, str]]:
        return [
            (event["level"], event["text"])
            for event in self.events
            if event["kind"] == "log" and event["source"] == source
        ]


def no_connections(name: str, configuration: dict[str, Any], context: Context) -> Any:
    return object()


def run_job(
    code: str,
    state: Any = None,
    *,
    channel: Memory | None = None,
    connect: Any = no_connections,
    facts: dict[str, Any] | None = None,
    **request: Any,
) -> Done:
    """Run a job body; `state` is the initial state, as an object or as bytes."""
    events: list[dict[str, Any]] = []
    body = (
        state if isinstance(state, bytes) else json.dumps({"data": {}} if state is None else state).encode()
    )
    result, final, memory = execute(
        request=Request(language="python", code=code, run=RunFacts(**{**FACTS, **(facts or {})}), **request),
        state=body,
        channel=channel or Memory(),
        emit=events.append,
        connect=connect,
    )
    json.dumps(events)  # they cross a process border
    return Done(result, final, memory, events)


def connection(alias: str, adaptor: str | None = None, **configuration: Any) -> Connection:
    return Connection(
        alias=alias, adaptor=adaptor or alias, configuration=configuration, credential=f"credential-{alias}"
    )
