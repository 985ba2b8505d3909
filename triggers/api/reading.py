"""What a body says about a trigger, as the verbs take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.models import Q
from rest_framework.serializers import ValidationError

from jobs.models import Job, Workflow
from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.scoping import scoped
from triggers.models import CatchUp, FlowScope, Trigger, TriggerKind
from triggers.specs import FlowSpec, MessageSpec, ScheduleSpec, TriggerSpec

_FIELDS: Mapping[str, tuple[str, ...]] = {
    TriggerKind.MESSAGE: ("criteria",),
    TriggerKind.SCHEDULE: ("schedule",),
    TriggerKind.FLOW: ("upstream", "scope", "event", "condition"),
}

# What the verbs call a part, and where it stands in a body.
_PLACES = {
    "expression": "schedule.cron",
    "count": "schedule.every",
    "unit": "schedule.unit",
    "start": "schedule.starts_at",
    "starts_at": "schedule.starts_at",
    "at": "schedule.starts_at",
    "tz": "schedule.time_zone",
    "schedule_kind": "schedule.kind",
    "catch_up": "schedule.catch_up",
    "upstream_scope": "scope",
}


@contextmanager
def places_named() -> Iterator[None]:
    """A refusal says where in the body the mistake is."""
    try:
        yield
    except PlatformError as error:
        named = error.context.get("field")
        if isinstance(named, str):
            error.context["field"] = _PLACES.get(named, named)
        raise


def jobs_named(given: Sequence[str], *, actor: Actor, workflow: Workflow | None) -> list[Job]:
    """Jobs by id, or by key in that workflow; in one query."""
    ids = [key for key in map(as_uuid, given) if key is not None]
    wanted = Q(pk__in=ids)
    if workflow is not None:
        wanted |= Q(workflow=workflow, key__in=given)
    rows = scoped(Job.objects.filter(wanted), actor).select_related("workflow__project")
    found: dict[object, Job] = {}
    for job in rows:
        found[job.pk] = job
        if workflow is not None and job.workflow_id == workflow.pk:
            found[job.key] = job
    keys = [as_uuid(key) or key for key in given]
    if any(key not in found for key in keys):
        raise NotFound("There is no job by that id or key.", field="jobs")
    return list(dict.fromkeys(found[key] for key in keys))


def job_named(given: str | None, *, actor: Actor, workflow: Workflow | None) -> Job | None:
    if given is None:
        return None
    try:
        return jobs_named([given], actor=actor, workflow=workflow)[0]
    except NotFound as error:
        raise NotFound(error.message, field="upstream") from None


def spec_new(values: Mapping[str, Any], *, upstream: Job | None) -> TriggerSpec:
    """Of a trigger that is about to be made."""
    kind = values["kind"]
    _refuse_others(kind, values)
    needed = {TriggerKind.SCHEDULE: "schedule", TriggerKind.FLOW: "event"}.get(kind)
    if needed is not None and needed not in values:
        raise ValidationError({needed: [f"A trigger of the kind {kind} needs this."]})
    if kind == TriggerKind.MESSAGE:
        return MessageSpec(criteria=values.get("criteria", ({"inclusion": {}},)))
    if kind == TriggerKind.SCHEDULE:
        return schedule_spec(values["schedule"])
    scope = values.get("scope", FlowScope.JOB)
    condition = values.get("condition") or ""
    return FlowSpec(event=values["event"], upstream=upstream, scope=scope, condition=condition)


def spec_changed(trigger: Trigger, values: Mapping[str, Any], *, upstream: Job | None) -> TriggerSpec | None:
    """What it says from now on; None where that stays as it is."""
    _refuse_others(trigger.kind, values)
    if not any(name in values for name in _FIELDS[trigger.kind]):
        return None
    if trigger.kind == TriggerKind.MESSAGE:
        return MessageSpec(criteria=values["criteria"])
    if trigger.kind == TriggerKind.SCHEDULE:
        return schedule_spec(values["schedule"])
    scope = values.get("scope", FlowScope.JOB if values.get("upstream") else trigger.upstream_scope)
    if scope != FlowScope.JOB and "upstream" not in values:
        upstream = None  # any job now, and no longer that one
    return FlowSpec(
        event=values.get("event", trigger.event),
        upstream=upstream,
        scope=scope,
        condition=values.get("condition", trigger.condition) or "",
    )


def schedule_spec(given: Mapping[str, Any]) -> ScheduleSpec:
    return ScheduleSpec(
        kind=given["kind"],
        cron=given.get("cron") or "",
        every=given.get("every"),
        unit=given.get("unit") or "",
        starts_at=given.get("starts_at"),
        time_zone=given.get("time_zone") or "",
        catch_up=given.get("catch_up", CatchUp.LATEST),
        keeps_whole_state=given.get("keeps_whole_state", False),
    )


def _refuse_others(kind: str, values: Mapping[str, Any]) -> None:
    for other, names in _FIELDS.items():
        for name in names:
            if other != kind and name in values:
                raise ValidationError({name: [f"Is of triggers of the kind {other}; this one is a {kind}."]})
