"""Asking what an inbox would do with a message."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import Invalid, NotFound
from openfn_platform.common.serializing import IdField, StrictSerializer, TextOrNull
from openfn_platform.projects.api.base import TokenView
from openfn_platform.projects.api.described import bad_body, not_found, unusable
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped
from triggers.api.parsing import DocumentParser
from triggers.inboxes import project_inbox
from triggers.models import Inbox
from triggers.would_match import Verdict, WouldMatch, would_match


class TextField(serializers.CharField):
    """A text. DRF would take a number for one, too."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be a text.", code="invalid")
        return super().to_internal_value(data)


class QuestionSerializer(StrictSerializer):
    inbox = IdField(required=False, help_text="Of which inbox; without it, the project's.")
    body = serializers.JSONField(required=False, help_text="The message, if it is JSON.")
    text = TextField(
        required=False, trim_whitespace=False, help_text="Or the message as it is sent: JSON, XML or a form."
    )


class PlaceSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(allow_blank=True, help_text="Empty: the message as a whole.")
    detail = serializers.CharField()


class RefusalSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = PlaceSerializer(  # type: ignore[assignment]  # a field, which DRF takes off the class
        many=True, help_text="Where it does not fit the inbox's schema."
    )


class JobNamedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    key = serializers.CharField()
    name = serializers.CharField()
    outcome = serializers.CharField(
        help_text="What a match means for it: run, paused (a run that waits), off or archived (nothing)."
    )


class VerdictSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    key = serializers.CharField()
    name = serializers.CharField()
    workflow = serializers.CharField(help_text="Its key.")
    enabled = serializers.BooleanField()
    matched = serializers.BooleanField(help_text="Whether its criteria fit the message.")
    jobs = JobNamedSerializer(many=True)
    reasons = serializers.ListField(
        child=serializers.CharField(), help_text="Why it would start nothing, in sentences."
    )


class OrderPlannedSerializer(serializers.Serializer[Any]):
    workflow = serializers.CharField(help_text="Its key.")
    jobs = serializers.ListField(child=serializers.UUIDField(), help_text="Each would get one run.")


class WouldMatchSerializer(serializers.Serializer[Any]):
    inbox = serializers.UUIDField()
    taken = serializers.BooleanField(help_text="Whether it would be stored and start what stands here.")
    refusal = RefusalSerializer(allow_null=True, help_text="With what it would be refused.")
    duplicate_of = TextOrNull(
        help_text="The message that it would repeat, by the inbox's duplicate path. Told to tokens with read-data."
    )
    read_as = serializers.CharField(help_text="JSON, XML, form or multipart.")
    work_orders = OrderPlannedSerializer(many=True)
    triggers = VerdictSerializer(
        many=True, help_text="All that the inbox feeds; those that match come first."
    )


class WouldMatchView(TokenView):
    parser_classes = (DocumentParser,)

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        scope_require(token=self.token, role=Role.VIEWER, data=False)

    @extend_schema(
        operation_id="would_match",
        summary="Would this message match?",
        description="Which triggers would start what, and why each other would not. Nothing is stored or counted.",
        tags=["triggers"],
        request=QuestionSerializer,
        responses={200: WouldMatchSerializer, **bad_body, **not_found, **unusable},
        examples=[
            OpenApiExample("JSON", value={"body": {"form": {"kind": "registration"}}}, request_only=True),
            OpenApiExample(
                "XML", value={"text": "<form><kind>registration</kind></form>"}, request_only=True
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        asked = QuestionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        if ("body" in values) is ("text" in values):
            raise Invalid("Give the message as `body`, or as `text`, and not both.", field="body")
        found = would_match(
            inbox=self._inbox(values), by=self.actor, body=values.get("body"), text=values.get("text")
        )
        return Response(_told(found))

    def _inbox(self, values: dict[str, Any]) -> Inbox:
        if "inbox" not in values:
            return project_inbox(project=self.project)
        inboxes = scoped(Inbox.objects.filter(archived_at=None), self.actor)
        inbox = inboxes.filter(pk=values["inbox"]).first()
        if inbox is None:
            raise NotFound("There is no inbox by that id.")
        return inbox


def _told(found: WouldMatch) -> dict[str, Any]:
    """Put together by hand: there may be hundreds of triggers, and serializers take their time for each."""
    refusal = found.refusal
    return {
        "inbox": found.inbox.pk,
        "taken": found.taken,
        "refusal": None
        if refusal is None
        else {
            "status": refusal.status,
            "code": refusal.code,
            "detail": refusal.message,
            "errors": refusal.context.get("errors", []),
        },
        "duplicate_of": found.duplicate_of,
        "read_as": str(found.kind),
        "work_orders": [
            {"workflow": workflow, "jobs": list(jobs)} for workflow, jobs in found.work_orders.items()
        ],
        "triggers": [_verdict_told(verdict) for verdict in found.verdicts],
    }


def _verdict_told(verdict: Verdict) -> dict[str, Any]:
    listener = verdict.listener
    return {
        "id": listener.trigger_id,
        "key": listener.trigger_key,
        "name": listener.trigger_name,
        "workflow": listener.workflow_key,
        "enabled": verdict.enabled,
        "matched": verdict.matched,
        "jobs": [
            {"id": job.id, "key": job.key, "name": job.name, "outcome": job.outcome} for job in listener.jobs
        ],
        "reasons": verdict.reasons,
    }
