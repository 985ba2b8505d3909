"""Triggers as programs see and change them."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from openfn_platform.common.models import KEY_LENGTH, valid_key
from openfn_platform.common.serializing import (
    Flag,
    StrictSerializer,
    Text,
    TextOrNull,
    WallMoment,
    Whole,
    Word,
    several,
)
from triggers.models import (
    CatchUp,
    EveryUnit,
    FlowEvent,
    FlowScope,
    ScheduleKind,
    Trigger,
    TriggerKind,
    TriggerRevision,
)
from triggers.specs import LONGEST_CONDITION, MOST_PAIRS

NAME = 120
MOST_JOBS = 100
MOST_FIRINGS = 100


class PairSerializer(StrictSerializer):
    """A message matches that contains the inclusion and does not contain the exclusion."""

    inclusion = serializers.JSONField(required=False, help_text="`{}` is contained in every message.")
    exclusion = serializers.JSONField(
        required=False, allow_null=True, help_text="null or empty: nothing is excluded."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return dict(instance)  # as it was stored


class ScheduleSerializer(StrictSerializer):
    kind = Word(choices=ScheduleKind.values)
    cron = Text(
        max_length=200,
        allow_null=True,
        allow_blank=True,
        required=False,
        help_text="Five fields, or @daily …",
    )
    every = Whole(min_value=1, allow_null=True, required=False, help_text="With a unit: every 2 weeks.")
    unit = Word(choices=EveryUnit.values, allow_null=True, required=False)
    starts_at = WallMoment(
        allow_null=True,
        required=False,
        help_text="When it begins; of `once` the time itself. Without a zone: as the clock shows it in `time_zone`.",
    )
    time_zone = Text(
        max_length=64,
        allow_null=True,
        allow_blank=True,
        required=False,
        help_text="For example Africa/Nairobi; left out, that of the project.",
    )
    catch_up = Word(
        choices=CatchUp.values, required=False, help_text="What becomes of times that were missed."
    )
    keeps_whole_state = Flag(
        required=False, help_text="Memory is the whole final state, as in OpenFn v1, not all but `data`."
    )


class TriggerSerializer(serializers.ModelSerializer[Trigger]):
    kind = serializers.CharField(read_only=True, help_text="message, schedule or flow.")
    jobs = serializers.SerializerMethodField(help_text="Ids of the jobs that it starts.")
    settings = serializers.DictField(
        read_only=True, help_text="Its own values for settings that its jobs declare."
    )
    criteria = PairSerializer(
        many=True, read_only=True, help_text="Of a message trigger: any of the pairs is enough."
    )
    schedule = serializers.SerializerMethodField(help_text="Of a schedule; otherwise null.")
    scope = serializers.SerializerMethodField(
        help_text="Of a flow trigger: job (that of `upstream`), workflow or project (any job of it)."
    )
    event = TextOrNull(help_text="Of a flow trigger: success, failure or completion.")
    condition = TextOrNull(help_text="Of a flow trigger: an expression over the final state.")
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    archived_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was put away; null while it is in use."
    )

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
            "settings",
            "criteria",
            "schedule",
            "next_slot_at",
            "upstream",
            "scope",
            "event",
            "condition",
            "revision",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields

    def get_jobs(self, trigger: Trigger) -> list[uuid.UUID]:
        return sorted(link.job_id for link in trigger.trigger_jobs.all())

    @extend_schema_field({"type": "string", "nullable": True})
    def get_scope(self, trigger: Trigger) -> str | None:
        return trigger.upstream_scope if trigger.kind == TriggerKind.FLOW else None

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
            "keeps_whole_state": trigger.keeps_whole_state,
        }


class TriggerChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    enabled = Flag(required=False)
    jobs = serializers.ListField(
        child=Text(max_length=KEY_LENGTH),
        max_length=MOST_JOBS,
        required=False,
        help_text="All that it starts, by id or key; of its own workflow.",
    )
    settings = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        help_text="All of its own values for settings that its jobs declare.",
    )
    criteria = several(
        PairSerializer, most=MOST_PAIRS, required=False, help_text="Of a message trigger: all pairs."
    )
    schedule = ScheduleSerializer(required=False, help_text="Of a schedule: all of it.")
    upstream = Text(
        max_length=KEY_LENGTH,
        allow_null=True,
        required=False,
        help_text="Of a flow trigger: the job that it follows, by id or key.",
    )
    scope = Word(choices=FlowScope.values, required=False)
    event = Word(choices=FlowEvent.values, required=False)
    condition = Text(max_length=LONGEST_CONDITION, allow_null=True, allow_blank=True, required=False)


class TriggerMakeSerializer(TriggerChangeSerializer):
    name = Text(max_length=NAME)
    enabled = Flag(
        required=False, help_text="Left out, it is off and starts nothing until it is switched on."
    )
    kind = Word(choices=TriggerKind.values)
    workflow = Text(
        max_length=KEY_LENGTH,
        required=False,
        help_text="Id or key; not needed where `jobs` are given by their ids.",
    )
    key = Text(
        max_length=KEY_LENGTH,
        validators=[valid_key],
        required=False,
        help_text="For files and addresses; made from the name if it is left out. It stays for good.",
    )


class RevisionSerializer(serializers.ModelSerializer[TriggerRevision]):
    snapshot = serializers.DictField(read_only=True, help_text="All that decided when it started what.")
    author = serializers.CharField(
        read_only=True, allow_null=True, help_text="The person who changed it; null: a program did."
    )

    class Meta:
        model = TriggerRevision
        fields = ("number", "at", "author", "snapshot")
        read_only_fields = fields


class RevisionPageSerializer(serializers.Serializer[Any]):
    results = RevisionSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="Address of the next page; null on the last one.")


class FiringsAskSerializer(StrictSerializer):
    schedule = ScheduleSerializer()
    count = Whole(min_value=1, max_value=MOST_FIRINGS, required=False, default=5)


class FiringsSerializer(serializers.Serializer[Any]):
    words = serializers.CharField(help_text="The schedule in plain English.")
    time_zone = serializers.CharField()
    times = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="When it is due next, with the zone's offset; fewer if it ends.",
    )
