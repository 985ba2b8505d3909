"""What a supervisor asks of a job's child process, and what the child answers.

These values cross a process border as JSON (`to_json` / `from_json`); states travel beside them as bytes that
the supervisor never decodes. Pure: the child imports this, so neither Django nor Celery may be loaded here.

`Outcome` is what the *job* did. What the platform makes of it (run state, retry, follow-ups) is decided in
`runs`; process deaths, timeouts and limits are seen by the supervisor and never reported by the child.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

JSONObject = dict[str, Any]


class Outcome(StrEnum):
    """How the job's code ended, seen from inside the child."""

    SUCCESS = "success"
    FAILED = "failed"  # the job raised, or called fail()
    CRASHED = "crashed"  # the code does not compile or names something that is not there
    SKIPPED = "skipped"  # skip() before anything was done
    KILLED = "killed"  # over a limit that only the child sees: memory, size of the state
    EXCEPTION = "exception"  # the platform could not start it: adaptor or credential does not load


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One alias of the job with the adaptor and the decrypted configuration behind it."""

    alias: str
    adaptor: str
    configuration: JSONObject
    credential: str | None = None  # its id, so that an error can say which connection is meant
    credential_name: str | None = None
    renewable: bool = False  # its access token can be exchanged for the next while the run goes on


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A flow trigger's condition, to be decided over the state its job would start with."""

    trigger: str  # id
    event: str  # success | failure | completion
    expression: str


@dataclass(frozen=True, kw_only=True)
class LibrarySource:
    """One module of the project's library, in the version that this run takes."""

    key: str
    number: int
    code: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a job can know about its own run, as `run`."""

    id: str
    attempt: int
    work_order: str
    project: str  # key
    workflow: str  # key
    job: str  # key
    trigger: str | None = None  # key
    scheduled_for: str | None = None  # ISO 8601, aware
    period: tuple[str, str] | None = None  # previous slot and this one, ISO 8601, aware
    idempotency_key: str = ""  # the same over every attempt of one cause
    mode: str = "live"  # live | dry | trial
    time_zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything a child needs to execute one run. The initial state travels beside it."""

    language: str
    code: str
    connections: tuple[Connection, ...] = ()
    settings: JSONObject = field(default_factory=dict)
    run: RunFacts
    steps: tuple[str, ...] = ()  # keys of jobs whose final states may be asked for
    library: tuple[LibrarySource, ...] = ()
    conditions: tuple[Condition, ...] = ()
    state_limit: int = 10_000_000  # bytes of JSON
    keep_memory: str = "no"  # no | keys (all but data, response, references) | whole
    allowed_hosts: tuple[str, ...] = ()  # empty: any public host
    allow_private: bool = False  # may speak to private address ranges
    trace_reads: bool = False  # the trace keeps what reads were answered, too
    only_conditions: bool = False  # the job's own child died: decide conditions over `state`, run no code

    def to_json(self) -> JSONObject:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JSONObject) -> Request:
        value = dict(value)
        value["connections"] = tuple(Connection(**item) for item in value["connections"])
        value["library"] = tuple(LibrarySource(**item) for item in value["library"])
        value["conditions"] = tuple(Condition(**item) for item in value["conditions"])
        facts = dict(value["run"])
        if facts.get("period") is not None:
            facts["period"] = tuple(facts["period"])
        value["run"] = RunFacts(**facts)
        value["steps"] = tuple(value["steps"])
        value["allowed_hosts"] = tuple(value["allowed_hosts"])
        return cls(**value)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job did not succeed, for a person: no values, only names and places."""

    type: str  # OpenFn's names: JobError, AdaptorError, TypeError, SyntaxError, UnsureError, …
    message: str  # one sentence
    hint: str | None = None  # what to try
    line: int | None = None  # in the job's code, from 1
    code_line: str | None = None
    status: int | None = None  # of the partner's answer
    kind: str = "job"  # job | connection | auth | rate | partner | code | limit | platform
    retryable: bool = False  # worth an automatic attempt
    retry_after: float | None = None  # seconds, as the partner asked
    connection: str | None = None  # alias
    credential: str | None = None  # id


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it. The final (or, after a failure, partial) state travels beside it, the memory too."""

    outcome: Outcome
    failure: Failure | None = None
    note: str | None = None  # the outcome sentence of note() or skip()
    problems: tuple[tuple[str, str], ...] = ()  # (key, reason), at most 1,000 kept
    problem_count: int = 0
    conditions: dict[str, bool] = field(default_factory=dict)  # trigger id -> true/false
    condition_errors: dict[str, str] = field(default_factory=dict)  # trigger id -> sentence

    def to_json(self) -> JSONObject:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JSONObject) -> Result:
        value = dict(value)
        value["outcome"] = Outcome(value["outcome"])
        if value.get("failure") is not None:
            value["failure"] = Failure(**value["failure"])
        value["problems"] = tuple((str(key), str(reason)) for key, reason in value.get("problems", ()))
        return cls(**value)
