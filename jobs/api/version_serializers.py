"""Versions of jobs as programs see and write them: code, connections, settings, limits, retry policy."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.declaring import MOST, TYPES
from jobs.language.script import LARGEST
from jobs.models import JobConnection, JobVersion
from jobs.models.version import valid_alias
from openfn_platform.common.serializing import Flag, IdField, StrictSerializer, Text, Whole, Word, several

MOST_CONNECTIONS = 20


class FindingSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="From 1.")
    column = serializers.IntegerField(help_text="From 1.")
    severity = serializers.CharField(help_text="error (keeps it from being made live) or warning.")
    code = serializers.CharField(help_text="For programs: syntax, undefined-name, unknown-operation …")
    message = serializers.CharField()
    hint = serializers.CharField(allow_null=True)


class ConnectionSerializer(StrictSerializer):
    """One alias. The first of them is the primary one."""

    alias = Text(max_length=40, validators=[valid_alias], help_text="Its name in the code.")
    adaptor = Text(max_length=60, help_text="As `/adaptors` names it.")
    credential = IdField(
        required=False, allow_null=True, help_text="Of this project, or lent to it; null: none is needed."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        row: JobConnection = instance
        link = row.credential
        credential: uuid.UUID | None = link.credential_id if link is not None else None
        return {"alias": row.alias, "adaptor": row.adaptor, "credential": credential and str(credential)}


class AliasSerializer(StrictSerializer):
    alias = Text(max_length=40, validators=[valid_alias])
    adaptor = Text(max_length=60)


class SettingSerializer(StrictSerializer):
    """One setting that the code reads as `settings.<key>`; triggers may override its value."""

    key = Text(max_length=40)
    label = Text(max_length=120, allow_blank=True, required=False)  # type: ignore[assignment]  # a field, no label
    type = Word(choices=TYPES, required=False, default="text")
    default = serializers.JSONField(required=False, allow_null=True, help_text="Of that type; null: not set.")
    choices = serializers.ListField(
        child=Text(max_length=200), max_length=200, required=False, help_text="Of a choice."
    )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return dict(instance)  # as it was stored


class LimitsSerializer(StrictSerializer):
    wall_seconds = Whole(required=False, help_text="Then the run is killed.")
    memory_mb = Whole(required=False)
    state_bytes = Whole(required=False, help_text="Of the input and of the final state.")
    too_late_seconds = Whole(
        required=False, allow_null=True, help_text="A run that waited longer is skipped; null: never."
    )
    problems_allowed = Whole(required=False, help_text="More refused records than this open an incident.")
    trace_reads = Flag(required=False, help_text="Keep what partners answered to reads, too.")


class RetrySettingsSerializer(StrictSerializer):
    max_attempts = Whole(min_value=1, required=False, help_text="1: no automatic retry.")
    first_wait_seconds = Whole(required=False, help_text="Before the second attempt; doubled each time.")
    longest_wait_seconds = Whole(required=False)
    safe_to_run_again = Flag(
        required=False, help_text="A run whose worker vanished is started again: doing it twice does no harm."
    )


LIMITS = tuple(LimitsSerializer().fields)
RETRY = tuple(RetrySettingsSerializer().fields)


class VersionSerializer(serializers.ModelSerializer[JobVersion]):
    """Without its code and what hangs on it: for lists."""

    number = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="1, 2, 3 …; null: nothing was saved yet."
    )
    live = serializers.SerializerMethodField(help_text="Whether runs take this version now.")
    author = serializers.CharField(
        read_only=True, allow_null=True, help_text="The person who saved it; null: a program did."
    )
    error_count = serializers.SerializerMethodField(
        help_text="How many errors the check found when it was saved."
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True, allow_null=True)

    class Meta:
        model = JobVersion
        fields: tuple[str, ...] = (
            "number",
            "live",
            "language",
            "note",
            "author",
            "error_count",
            "made_live_at",
            "inserted_at",
        )
        read_only_fields = fields

    def get_live(self, version: JobVersion) -> bool:
        live: bool = version.pk == self.context["job"].live_version_id
        return live

    def get_error_count(self, version: JobVersion) -> int:
        return sum(1 for finding in version.findings if finding["severity"] == "error")


class VersionDetailSerializer(VersionSerializer):
    connections = serializers.SerializerMethodField()
    settings = SettingSerializer(many=True, read_only=True)
    limits = serializers.SerializerMethodField()
    retry = serializers.SerializerMethodField()
    findings = FindingSerializer(many=True, read_only=True)

    class Meta(VersionSerializer.Meta):
        fields = (
            *VersionSerializer.Meta.fields,
            "code",
            "connections",
            "settings",
            "limits",
            "retry",
            "findings",
        )
        read_only_fields = fields

    @extend_schema_field(ConnectionSerializer(many=True))
    def get_connections(self, version: JobVersion) -> list[Any]:
        rows = [] if version._state.adding else list(version.connections.all())
        return list(ConnectionSerializer(rows, many=True).data)

    @extend_schema_field(LimitsSerializer)
    def get_limits(self, version: JobVersion) -> Mapping[str, Any]:
        return {name: getattr(version, name) for name in LIMITS}

    @extend_schema_field(RetrySettingsSerializer)
    def get_retry(self, version: JobVersion) -> Mapping[str, Any]:
        return {name: getattr(version, name) for name in RETRY}


class DraftSerializer(StrictSerializer):
    """A new version. What is left out stays as it is in the newest one."""

    code = Text(max_length=LARGEST, allow_blank=True)
    connections = several(ConnectionSerializer, most=MOST_CONNECTIONS, required=False)
    settings = several(SettingSerializer, most=MOST, required=False)
    limits = LimitsSerializer(required=False)
    retry = RetrySettingsSerializer(required=False)
    note = Text(max_length=300, allow_blank=True, required=False, help_text="What changed.")
    language = Text(max_length=20, required=False, help_text="python")


class CheckSerializer(StrictSerializer):
    """Code to look at. What is left out is taken from the newest version."""

    code = Text(max_length=LARGEST, allow_blank=True)
    connections = several(AliasSerializer, most=MOST_CONNECTIONS, required=False)
    settings = several(SettingSerializer, most=MOST, required=False)
    language = Text(max_length=20, required=False)


class CheckedSerializer(serializers.Serializer[Any]):
    fit = serializers.BooleanField(help_text="Whether it could be made live: it has no errors.")
    findings = FindingSerializer(many=True)


class ChangeSerializer(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="connections, settings, limits.wall_seconds …")
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    before = serializers.IntegerField(help_text="Number of the version that it is compared with.")
    after = serializers.IntegerField()
    code = serializers.CharField(help_text="The lines that differ, as `diff -u` shows them; empty: none.")
    changes = ChangeSerializer(many=True)
