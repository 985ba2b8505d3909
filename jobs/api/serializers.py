"""Jobs and workflows as programs see them. Code and credentials are not shown."""

from __future__ import annotations

from rest_framework import serializers

from jobs.models import Job, Workflow


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Workflow
        fields = ("id", "key", "name", "description", "inserted_at")
        read_only_fields = fields


class JobSerializer(serializers.ModelSerializer[Job]):
    state = serializers.CharField(read_only=True, help_text="on, paused (runs are made and wait) or off.")
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

    class Meta:
        model = Job
        fields = ("id", "key", "name", "workflow", "state", "live_version", "latest_version")
        read_only_fields = fields
