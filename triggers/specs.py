"""What a trigger of each kind says, as values, and the columns that come of it.

Everything that can be wrong with one trigger alone is said here; what needs its neighbours (circles, jobs of
another workflow) is checked when it is saved.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.language.check import check_in_process
from jobs.language.scope import NAMES
from jobs.models import Job
from openfn_platform.common.errors import Invalid
from openfn_platform.projects.models import Project
from triggers.models import CatchUp, EveryUnit, FlowEvent, FlowScope, ScheduleKind, TriggerKind
from triggers.schedules import Cron, Every, Once, Schedule, validate
from triggers.wallclock import moment_of, zone_of

MOST_PAIRS = 50
LONGEST_CRITERIA = 100_000
LONGEST_CONDITION = 5_000
# In scope of a job, so the check lets them pass, and not in scope of a condition.
_ONLY_IN_JOBS = {name.name for name in NAMES} - {"state", "value"}
# JSON text writes a NUL as an escape, and PostgreSQL's jsonb refuses it.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class BadCriteria(Invalid):
    """These criteria cannot be used."""

    code = "invalid_criteria"


class BadFlow(Invalid):
    """This trigger cannot follow that job."""

    code = "invalid_flow"


@dataclass(frozen=True, kw_only=True)
class MessageSpec:
    """Messages that contain an inclusion and not its exclusion; any pair is enough. `{}` includes all."""

    criteria: Sequence[Mapping[str, Any]] = ({"inclusion": {}},)


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """`starts_at` without a zone is what the clock on the wall shows in `time_zone` (empty: the project's)."""

    kind: ScheduleKind | str
    cron: str = ""
    every: int | None = None
    unit: EveryUnit | str = ""
    starts_at: datetime | None = None
    time_zone: str = ""
    catch_up: CatchUp | str = CatchUp.LATEST
    keeps_whole_state: bool = False


@dataclass(frozen=True, kw_only=True)
class FlowSpec:
    """The end of `upstream`, or of any job of the workflow or project but those that the trigger starts itself."""

    event: FlowEvent | str
    upstream: Job | None = None
    scope: FlowScope | str = FlowScope.JOB
    condition: str = ""


TriggerSpec = MessageSpec | ScheduleSpec | FlowSpec


def kind_of(spec: TriggerSpec) -> TriggerKind:
    if isinstance(spec, MessageSpec):
        return TriggerKind.MESSAGE
    return TriggerKind.SCHEDULE if isinstance(spec, ScheduleSpec) else TriggerKind.FLOW


def columns_of(spec: TriggerSpec, *, project: Project) -> dict[str, Any]:
    """The columns of a trigger that says this. Slow for a flow with a condition: a process reads it."""
    if isinstance(spec, MessageSpec):
        return {"criteria": criteria_checked(spec.criteria)}
    if isinstance(spec, ScheduleSpec):
        return _schedule_columns(spec, project)
    return _flow_columns(spec, project)


# ---- message ---------------------------------------------------------------------------------------------


def criteria_checked(criteria: Sequence[Any]) -> list[dict[str, Any]]:
    """The pairs as they are stored."""
    if not criteria:
        raise BadCriteria(
            "Say which messages start it; {} as an inclusion stands for every message.", field="criteria"
        )
    if len(criteria) > MOST_PAIRS:
        raise BadCriteria(f"A trigger has at most {MOST_PAIRS} pairs of criteria.", field="criteria")
    return [_pair(pair) for pair in criteria]


def _pair(pair: Any) -> dict[str, Any]:
    if not isinstance(pair, Mapping) or set(pair) - {"inclusion", "exclusion"} or not pair:
        raise BadCriteria(
            "Each pair is an object with `inclusion` and, if you like, `exclusion`.", field="criteria"
        )
    stored = {"inclusion": pair.get("inclusion", {})}
    if pair.get("exclusion") is not None:
        stored["exclusion"] = pair["exclusion"]
    try:
        text = json.dumps(stored, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        raise BadCriteria("The criteria are not JSON.", field="criteria") from None
    if len(text) > LONGEST_CRITERIA:
        raise BadCriteria(f"Criteria have at most {LONGEST_CRITERIA:,} characters.", field="criteria")
    if _NUL.search(text):
        raise BadCriteria("The criteria hold a NUL character, which no message can.", field="criteria")
    return stored


# ---- schedule --------------------------------------------------------------------------------------------


def _schedule_columns(spec: ScheduleSpec, project: Project) -> dict[str, Any]:
    zone = spec.time_zone or project.time_zone
    if spec.kind not in ScheduleKind.values:
        raise Invalid("A schedule is one of: cron, every, once.", field="schedule_kind")
    if spec.catch_up not in CatchUp.values:
        raise Invalid("What becomes of missed times is one of: latest, all, skip.", field="catch_up")
    validate(schedule_meant(spec, zone))
    columns: dict[str, Any] = {
        "schedule_kind": spec.kind,
        "cron": spec.cron.strip() if spec.kind == ScheduleKind.CRON else "",
        "every_count": spec.every if spec.kind == ScheduleKind.EVERY else None,
        "every_unit": spec.unit if spec.kind == ScheduleKind.EVERY else "",
        "starts_at": None if spec.kind == ScheduleKind.CRON else _moment(spec.starts_at, zone),
        "time_zone": spec.time_zone,
        "catch_up": spec.catch_up,
        "keeps_whole_state": spec.keeps_whole_state,
    }
    return columns


def schedule_meant(spec: ScheduleSpec, zone: str) -> Schedule:
    """The pure schedule that a spec means; times of its start are read in `zone`."""
    start = spec.starts_at
    if start is not None and start.tzinfo is not None:
        try:
            start = start.astimezone(zone_of(zone)).replace(tzinfo=None)
        except OverflowError:  # at the very ends of the calendar
            raise Invalid("This time is out of reach; choose another one.", field="starts_at") from None
    if spec.kind == ScheduleKind.CRON:
        return Cron(spec.cron, zone)
    if spec.kind == ScheduleKind.EVERY:
        return Every(spec.every or 0, str(spec.unit), start, zone)
    return Once(start, zone)


def _moment(start: datetime | None, zone: str) -> datetime | None:
    if start is None or start.tzinfo is not None:
        return start
    return moment_of(start, zone_of(zone))


# ---- flow ------------------------------------------------------------------------------------------------


def _flow_columns(spec: FlowSpec, project: Project) -> dict[str, Any]:
    if spec.event not in FlowEvent.values:
        raise BadFlow("A flow waits for one of: success, failure, completion.", field="event")
    if spec.scope not in FlowScope.values:
        raise BadFlow("A flow follows one of: job, workflow, project.", field="upstream_scope")
    if spec.scope == FlowScope.JOB and spec.upstream is None:
        raise BadFlow("Say which job it follows.", field="upstream")
    if spec.scope != FlowScope.JOB and spec.upstream is not None:
        raise BadFlow("It follows either one job or any; choose.", field="upstream")
    if spec.upstream is not None and spec.upstream.project_id != project.pk:
        raise BadFlow("The job that it follows belongs to another project.", field="upstream")
    if spec.upstream is not None and spec.upstream.archived_at is not None:
        raise BadFlow(f"“{spec.upstream.name}” was archived.", field="upstream")
    condition = spec.condition.strip()
    if condition:
        condition_check(condition, language=_language(spec.upstream))
    return {
        "upstream": spec.upstream,
        "upstream_scope": spec.scope,
        "event": spec.event,
        "condition": condition,
    }


def _language(upstream: Job | None) -> str:
    version = upstream and (upstream.live_version or upstream.latest_version)
    return version.language if version else "python"


def condition_check(condition: str, *, language: str = "python") -> None:
    """Raise unless it is one expression over `state` and `value` that compiles."""
    if len(condition) > LONGEST_CONDITION:
        raise BadFlow(f"A condition has at most {LONGEST_CONDITION:,} characters.", field="condition")
    # In a process of its own first: hostile text can take a compiler down with the process that it runs in.
    found = check_in_process(language=language, code=f"return (\n{condition}\n)", aliases={})
    for finding in found:
        if finding.severity == "error":
            raise BadFlow(f"The condition cannot be used: {finding.message}.", field="condition")
    if language == "python":
        _one_expression(condition)


def _one_expression(condition: str) -> None:
    """`1)\\nimport os\\n(2` reads well between brackets and is no expression."""
    try:
        tree = ast.parse(condition, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadFlow(
            "The condition must be one expression, for example `state.data['age'] < 5`.", field="condition"
        ) from None
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    strange = sorted(used & _ONLY_IN_JOBS)
    if strange:
        raise BadFlow(
            f"`{strange[0]}` is not known in a condition; there are `state` and `value`.", field="condition"
        )
