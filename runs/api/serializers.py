"""Runs, work orders, messages and incidents as programs see them."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from openfn_platform.common.serializing import TextOrNull
from runs import words
from runs.models import HttpExchange, Incident, LogLine, Run, State, WorkOrder
from runs.selectors.exchanges import origin
from triggers.models import Message


class Said(TextOrNull):
    """Words about a failure: whole with `sees` in the context, else without what they quote. Forgotten, they are not."""

    def to_representation(self, value: Any) -> str:
        return words.said(super().to_representation(value), sees=bool(self.context.get("sees")))


class RunSerializer(serializers.ModelSerializer[Run]):
    message = serializers.UUIDField(
        source="work_order.message_id",
        read_only=True,
        allow_null=True,
        help_text="The message that began its work order, if one did.",
    )
    state = serializers.CharField(
        read_only=True,
        help_text="available → claimed → started → one of success, failed, crashed, killed, exception, cancelled, "
        "skipped, lost.",
    )
    mode = serializers.CharField(read_only=True, help_text="live, dry or trial.")
    attempt = serializers.IntegerField(read_only=True, help_text="1, and one more for each retry.")
    handled = serializers.BooleanField(
        read_only=True, help_text="A flow trigger caught its failure and started another job."
    )
    incident = serializers.UUIDField(source="incident_id", read_only=True, allow_null=True)
    dismissed_reason = Said(help_text="Why somebody put its failure aside.")
    error_type = TextOrNull(help_text="For example JobError, AdaptorError, TimeoutError.")
    error_message = Said(
        help_text="One sentence. Without the scope read-data its quoted parts and long numbers are left out."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Run
        fields = (
            "id",
            "work_order",
            "job",
            "workflow",
            "trigger",
            "message",
            "state",
            "mode",
            "attempt",
            "retry_of",
            "parent",
            "error_type",
            "error_message",
            "incident",
            "handled",
            "dismissed_at",
            "dismissed_reason",
            "inserted_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "retry_of": {"help_text": "The run that this one repeats."},
            "parent": {"help_text": "The run whose end started this one."},
        }


class LogLineSerializer(serializers.ModelSerializer[LogLine]):
    class Meta:
        model = LogLine
        fields = ("seq", "at", "level", "text")
        read_only_fields = fields


class LogPageSerializer(serializers.Serializer[Any]):
    results = LogLineSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Null when there are no more lines so far.")
    complete = serializers.BooleanField(help_text="The run has ended, and this is the end of its log.")


class ExchangeSerializer(serializers.ModelSerializer[HttpExchange]):
    """Read with `sees` in the context: whether whole addresses and errors may be told."""

    run = serializers.UUIDField(source="run_id", read_only=True)
    job = serializers.UUIDField(source="job_id", read_only=True, allow_null=True)
    work_order = serializers.UUIDField(source="work_order_id", read_only=True, allow_null=True)
    at = serializers.DateTimeField(read_only=True, help_text="When it began.")
    protocol = serializers.CharField(read_only=True, help_text="http, sql, smtp or sftp.")
    address = serializers.SerializerMethodField(help_text="Without the scope read-data only its system.")
    write = serializers.BooleanField(read_only=True, help_text="It changes something there, or would have.")
    dry = serializers.BooleanField(read_only=True, help_text="Shown in a dry run instead of sent.")
    outcome = TextOrNull(help_text="In a few words, where the protocol has no status.")
    error = serializers.SerializerMethodField(help_text="One sentence. Null without the scope read-data.")
    attempt = serializers.IntegerField(
        read_only=True, help_text="1, and one more for each repeat in the run."
    )

    class Meta:
        model = HttpExchange
        fields = (
            "run",
            "seq",
            "job",
            "work_order",
            "at",
            "connection",
            "protocol",
            "method",
            "address",
            "write",
            "dry",
            "status",
            "outcome",
            "error",
            "attempt",
            "duration_ms",
            "request_bytes",
            "response_bytes",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_address(self, exchange: HttpExchange) -> str:
        return exchange.url if self.context["sees"] else origin(exchange.url)

    def get_error(self, exchange: HttpExchange) -> str | None:
        return (exchange.error or None) if self.context["sees"] else None


class ExchangePageSerializer(serializers.Serializer[Any]):
    results = ExchangeSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Null when there are no more exchanges so far.")


class ExchangeDetailSerializer(ExchangeSerializer):
    request_cut = serializers.BooleanField(read_only=True, help_text="There was more of the body.")
    response_cut = serializers.BooleanField(read_only=True, help_text="There was more of the body.")
    over_budget = serializers.BooleanField(
        read_only=True, help_text="Bodies were left out: those of the run before had taken all the room."
    )

    class Meta(ExchangeSerializer.Meta):
        fields = (  # type: ignore[assignment]  # some names more
            *ExchangeSerializer.Meta.fields,
            "request_body",
            "request_cut",
            "response_body",
            "response_cut",
            "over_budget",
        )
        read_only_fields = fields


class WorkOrderSerializer(serializers.ModelSerializer[WorkOrder]):
    cause = serializers.CharField(read_only=True, help_text="message, slot, manual, api or trial.")
    state = serializers.CharField(
        read_only=True, help_text="pending, running, success, failed (and nothing caught it) or cancelled."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = WorkOrder
        fields = ("id", "workflow", "cause", "message", "slot", "state", "inserted_at", "last_activity_at")
        read_only_fields: tuple[str, ...] = fields


class WorkOrderDetailSerializer(WorkOrderSerializer):
    runs = RunSerializer(many=True, read_only=True, help_text="In the order in which they were made.")

    class Meta(WorkOrderSerializer.Meta):
        fields = (*WorkOrderSerializer.Meta.fields, "runs")  # type: ignore[assignment]  # one name more
        read_only_fields = fields


class MessageSerializer(serializers.ModelSerializer[Message]):
    received_at = serializers.DateTimeField(source="created_at", read_only=True)
    size = serializers.IntegerField(read_only=True, help_text="Of the body, in bytes.")
    matched = serializers.BooleanField(read_only=True, help_text="Whether it started anything.")
    work_orders = serializers.SerializerMethodField(help_text="Ids; one for each workflow that it started.")

    class Meta:
        model = Message
        fields = ("id", "inbox", "received_at", "content_type", "size", "matched", "work_orders")
        read_only_fields: tuple[str, ...] = fields

    def get_work_orders(self, message: Message) -> list[uuid.UUID]:
        return sorted(order.pk for order in message.work_orders.all())


class StartedJobSerializer(serializers.Serializer[Any]):
    job = serializers.UUIDField()
    outcome = serializers.CharField(help_text="run, paused, off or archived.")


class MatchingSerializer(serializers.Serializer[Any]):
    trigger = serializers.UUIDField()
    revision = serializers.IntegerField(help_text="Of the trigger, when the message arrived.")
    matched = serializers.BooleanField()
    jobs = StartedJobSerializer(many=True)
    reasons = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="Why it did not match, quoting the message: only with the scope read-data, else null.",
    )


class MessageDetailSerializer(MessageSerializer):
    matching = serializers.SerializerMethodField(help_text="Every trigger that listened.")

    class Meta(MessageSerializer.Meta):
        fields = (*MessageSerializer.Meta.fields, "matching")  # type: ignore[assignment]  # one name more
        read_only_fields = fields

    @extend_schema_field(MatchingSerializer(many=True))
    def get_matching(self, message: Message) -> Any:
        return MatchingSerializer(self.context["matching"], many=True).data


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    kind = serializers.CharField(read_only=True, help_text="run, hold, pause or alarm.")
    error_type = TextOrNull()
    message = serializers.SerializerMethodField(
        help_text="The newest error's sentence. Without the scope read-data its quoted parts and long numbers are left out."
    )
    closed_reason = Said()
    last_run = serializers.UUIDField(source="last_run_id", read_only=True, allow_null=True)
    taken_by = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The person who looks after it; null with `taken_at` when a program took it.",
    )

    class Meta:
        model = Incident
        fields = (
            "id",
            "kind",
            "job",
            "error_type",
            "title",
            "message",
            "count",
            "opened_at",
            "last_at",
            "last_run",
            "taken_by",
            "taken_at",
            "closed_at",
            "closed_reason",
        )
        read_only_fields = fields

    def get_message(self, incident: Incident) -> str | None:
        return words.said_by_incident(incident, sees=bool(self.context.get("sees"))) or None


class LeftOutSerializer(serializers.Serializer[Any]):
    job = serializers.UUIDField(source="job.pk")
    reason = serializers.CharField()


class ReprocessedSerializer(serializers.Serializer[Any]):
    runs = RunSerializer(many=True)
    left_out = LeftOutSerializer(many=True, help_text="Jobs that need not run again, and why.")


class SavedInputSerializer(serializers.ModelSerializer[State]):
    size = serializers.IntegerField(read_only=True, help_text="Of the state, in bytes.")
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = State
        fields = ("id", "name", "size", "inserted_at")
        read_only_fields = fields
