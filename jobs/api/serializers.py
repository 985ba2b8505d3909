"""Workflows and jobs as programs see and change them."""

from __future__ import annotations

from rest_framework import serializers

from jobs.models import Job, JobState, Workflow
from openfn_platform.common.models import KEY_LENGTH, valid_key
from openfn_platform.common.serializing import Flag, StrictSerializer, Text, TextOrNull, Whole, Word

NAME = 120
DESCRIPTION = 10_000


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    archived_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was put away; null while it is in use."
    )

    class Meta:
        model = Workflow
        fields = ("id", "key", "name", "description", "inserted_at", "archived_at")
        read_only_fields = fields


class WorkflowChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)


class WorkflowMakeSerializer(StrictSerializer):
    name = Text(max_length=NAME)
    key = Text(
        max_length=KEY_LENGTH,
        validators=[valid_key],
        required=False,
        help_text="For files and addresses; made from the name if it is left out. It stays for good.",
    )
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)


class JobSerializer(serializers.ModelSerializer[Job]):
    state = serializers.CharField(read_only=True, help_text="on, paused (runs are made and wait) or off.")
    paused_reason = TextOrNull(help_text="Why the platform paused it; null if a person did.")
    live_version = serializers.IntegerField(
        source="live_version.number",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="Number of the version that runs take.",
    )
    latest_version = serializers.IntegerField(
        source="latest_version.number",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="Number of the newest version; higher than the live one while there is a draft.",
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    archived_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it was put away; null while it is in use."
    )

    class Meta:
        model = Job
        fields = (
            "id",
            "key",
            "name",
            "description",
            "workflow",
            "state",
            "paused_reason",
            "max_concurrency",
            "retry_frees_lane",
            "live_version",
            "latest_version",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields


class JobChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)
    max_concurrency = Whole(
        min_value=1,
        allow_null=True,
        required=False,
        help_text="How many of its runs may go on at once; 1: strictly in order of arrival; null: no limit.",
    )
    retry_frees_lane = Flag(
        required=False, help_text="One at a time: whether an automatic retry that waits lets others pass."
    )
    state = Word(
        choices=JobState.values,
        required=False,
        help_text="To pause it and let it go on takes the scope operate; to switch it on or off takes deploy.",
    )


class JobMakeSerializer(StrictSerializer):
    name = Text(max_length=NAME)
    workflow = Text(
        max_length=KEY_LENGTH,
        required=False,
        help_text="Id or key of its workflow. Left out, it gets one of its own, with its name.",
    )
    key = Text(
        max_length=KEY_LENGTH,
        validators=[valid_key],
        required=False,
        help_text="For files and addresses; made from the name if it is left out. It stays for good.",
    )
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)
    max_concurrency = Whole(min_value=1, allow_null=True, required=False)
    retry_frees_lane = Flag(required=False)
