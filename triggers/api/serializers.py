"""Triggers as programs see them."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from openfn_platform.common.serializing import TextOrNull
from triggers.models import Trigger


class TriggerSerializer(serializers.ModelSerializer[Trigger]):
    kind = serializers.CharField(read_only=True, help_text="message, schedule or flow.")
    jobs = serializers.SerializerMethodField(help_text="Ids of the jobs that it starts.")
    criteria = serializers.JSONField(
        read_only=True, help_text="Of a message trigger: pairs of inclusion and exclusion; any is enough."
    )
    schedule = serializers.SerializerMethodField(help_text="Of a schedule; otherwise null.")
    event = TextOrNull(help_text="Of a flow trigger: success, failure or completion.")
    condition = TextOrNull(help_text="Of a flow trigger: an expression over the final state.")

    class Meta:
        model = Trigger
        fields = (
            "id",
            "key",
            "name",
            "workflow",
            "kind",
            "enabled",
            "jobs",
            "criteria",
            "schedule",
            "next_slot_at",
            "upstream",
            "event",
            "condition",
        )
        read_only_fields = fields

    def get_jobs(self, trigger: Trigger) -> list[uuid.UUID]:
        return [link.job_id for link in trigger.trigger_jobs.all()]

    @extend_schema_field({"type": "object", "nullable": True, "additionalProperties": {}})
    def get_schedule(self, trigger: Trigger) -> dict[str, Any] | None:
        if not trigger.schedule_kind:
            return None
        return {
            "kind": trigger.schedule_kind,
            "cron": trigger.cron or None,
            "every": trigger.every_count,
            "unit": trigger.every_unit or None,
            "starts_at": trigger.starts_at,
            "time_zone": trigger.time_zone or trigger.project.time_zone,
            "catch_up": trigger.catch_up,
        }
