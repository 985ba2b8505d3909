"""Triggers: listed, made, changed, switched, put away."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Workflow
from openfn_platform.common.parameters import of_flag, of_id_or_key, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role
from triggers.api.reading import job_named, jobs_named, places_named, spec_changed, spec_new
from triggers.api.serializers import TriggerChangeSerializer, TriggerMakeSerializer, TriggerSerializer
from triggers.editing import trigger_archive, trigger_change, trigger_create, trigger_switch
from triggers.models import Trigger, TriggerKind

_MADE = [
    OpenApiExample(
        "On a message",
        request_only=True,
        value={
            "name": "Registration form",
            "kind": "message",
            "workflow": "registrations",
            "jobs": ["register-patient"],
            "criteria": [{"inclusion": {"form": {"@name": "register"}}}],
            "enabled": True,
        },
    ),
    OpenApiExample(
        "Fridays at 23:00",
        request_only=True,
        value={
            "name": "Weekly export",
            "kind": "schedule",
            "workflow": "reports",
            "jobs": ["weekly-export"],
            "schedule": {"kind": "cron", "cron": "0 23 * * 5", "time_zone": "Africa/Nairobi"},
            "enabled": True,
        },
    ),
    OpenApiExample(
        "When another job fails",
        request_only=True,
        value={
            "name": "Tell the nurse",
            "kind": "flow",
            "workflow": "registrations",
            "jobs": ["tell-the-nurse"],
            "upstream": "register-patient",
            "event": "failure",
            "enabled": True,
        },
    ),
]


@extend_schema_view(
    list=extend_schema(summary="Triggers, newest first", tags=["triggers"]),
    retrieve=extend_schema(
        summary="One trigger", tags=["triggers"], responses={200: TriggerSerializer, **not_found}
    ),
)
class TriggerViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Trigger]):
    queryset = Trigger.objects.select_related("project")
    serializer_class = TriggerSerializer
    loads = {"jobs": lambda rows: rows.prefetch_related("trigger_jobs")}
    volatile = frozenset({"next_slot_at"})
    needs = {"create": Role.EDITOR, "partial_update": Role.EDITOR, "destroy": Role.EDITOR}
    address = "api-trigger"
    parameters = (
        of_id_or_key("workflow", "Triggers of this workflow, by id or key.", path="workflow"),
        of_words("kind", "Of this kind.", path="kind", words=TriggerKind.values),
        of_flag("enabled", "Only those that are on, or only those that are off.", path="enabled"),
        of_flag(
            "archived",
            "Those that were put away instead of those in use.",
            path="archived_at__isnull",
            reverse=True,
            usual="false",
        ),
    )

    @extend_schema(
        summary="Make a trigger",
        description="It is off unless `enabled` says otherwise. `criteria` are of message triggers, `schedule` of "
        "schedules, `upstream`, `scope`, `event` and `condition` of flow triggers.",
        tags=["triggers"],
        request=TriggerMakeSerializer,
        responses={201: TriggerSerializer, **not_found, **not_now, **unusable},
        examples=_MADE,
    )
    @places_named()
    def create(self, request: Request) -> Response:
        values = self.given(TriggerMakeSerializer)
        workflow = None
        if "workflow" in values:
            rows = Workflow.objects.select_related("project")
            workflow = self.named(rows, values["workflow"], field="workflow")
        jobs = jobs_named(values.get("jobs", []), actor=self.actor, workflow=workflow)
        place = workflow or (jobs[0].workflow if jobs else None)
        upstream = job_named(values.get("upstream"), actor=self.actor, workflow=place)
        trigger = trigger_create(
            name=values["name"],
            spec=spec_new(values, upstream=upstream),
            by=self.actor,
            jobs=jobs,
            workflow=workflow,
            settings=values.get("settings"),
            enabled=values.get("enabled", False),
            key=values.get("key"),
        )
        return self.shown(trigger, status=201)

    @extend_schema(
        summary="Change or switch a trigger",
        description="A trigger keeps its kind and its workflow. `criteria`, `schedule`, `jobs` and `settings` take "
        "the place of what was there.",
        tags=["triggers"],
        request=TriggerChangeSerializer,
        responses={200: TriggerSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample("Switch it on", value={"enabled": True}, request_only=True),
            OpenApiExample(
                "Other jobs", value={"jobs": ["register-patient", "welcome-sms"]}, request_only=True
            ),
        ],
    )
    @places_named()
    def partial_update(self, request: Request, id: str) -> Response:
        self.guard_require()
        values = self.given(TriggerChangeSerializer)
        trigger = self.get_object()
        enabled = values.pop("enabled", None)
        with transaction.atomic():
            self._change(trigger, values)
            if enabled is not None:
                trigger_switch(trigger=trigger, enabled=enabled, by=self.actor)
        return self.shown(trigger)

    def _change(self, trigger: Trigger, values: dict[str, Any]) -> None:
        """Also where nothing but the switch is changed: the comparison is made in here."""
        workflow, jobs, upstream = trigger.workflow, None, trigger.upstream
        if "jobs" in values:
            jobs = jobs_named(values["jobs"], actor=self.actor, workflow=workflow)
        if "upstream" in values:
            upstream = job_named(values["upstream"], actor=self.actor, workflow=workflow)
        trigger_change(
            trigger=trigger,
            by=self.actor,
            name=values.get("name"),
            spec=spec_changed(trigger, values, upstream=upstream),
            jobs=jobs,
            settings=values.get("settings"),
            guard=self.guard_of(trigger),
        )

    @extend_schema(
        summary="Put a trigger away",
        description="With the inboxes of its own. What it started is kept.",
        tags=["triggers"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as trigger:
            trigger_archive(trigger=trigger, by=self.actor)
        return Response(status=204)
