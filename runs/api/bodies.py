"""What programs send about runs, jobs, messages and incidents. Unknown fields are refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from openfn_platform.common.serializing import Flag, IdField, StrictSerializer, Text, Word
from runs.models import RunMode


class RetrySerializer(StrictSerializer):
    """Nothing at all repeats the run as it was, with the job's live code."""

    input = serializers.DictField(required=False, help_text="Instead of the whole input: a state.")
    data = serializers.JSONField(  # type: ignore[assignment]  # fields are taken out of the class
        required=False, allow_null=True, help_text="Instead of the input's `data`; the rest stays."
    )
    same_code = Flag(
        required=False, default=False, help_text="The code as that run had it, not as it is live now."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "input" in attrs and "data" in attrs:
            raise serializers.ValidationError("Give `input` or `data`, not both.")
        return attrs


_SOURCES = ("data", "state", "message", "run", "saved")


class _InputSerializer(StrictSerializer):
    """What a run starts with: at most one of these."""

    data = serializers.JSONField(  # type: ignore[assignment]  # as above
        required=False, allow_null=True, help_text="Becomes `state.data`."
    )
    state = serializers.DictField(required=False, help_text="The whole initial state.")
    message = IdField(required=False, help_text="As if this message had started the job.")
    run = IdField(required=False, help_text="With the input of this run.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        known = [name for name in _SOURCES if name in self.fields]
        if sum(name in attrs for name in known) > 1:
            raise serializers.ValidationError(f"Give one of {', '.join(known)}, not several.")
        return attrs


class StartSerializer(_InputSerializer):
    """One of the inputs; nothing at all starts with empty `data`."""

    saved = IdField(required=False, help_text="With this saved input.")
    mode = Word(
        choices=RunMode.values,
        required=False,
        default=RunMode.LIVE.value,
        help_text="`dry`: what it would write to other systems is shown instead of sent. `trial`: a test run, which "
        "starts nothing else and tells nobody. ",
    )
    draft = Flag(
        required=False,
        default=False,
        help_text="The newest version instead of the live one; with `dry` or `trial`, and the scope deploy.",
    )


class SaveInputSerializer(_InputSerializer):
    """A name, and one of the inputs."""

    name = Text(max_length=120, help_text="By which people find it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not any(name in attrs for name in _SOURCES):
            raise serializers.ValidationError("Give one of data, state, message, run.")
        return attrs


class ReprocessSerializer(StrictSerializer):
    jobs = serializers.ListField(child=IdField(), min_length=1, max_length=50, help_text="Which it starts.")


class DismissSerializer(StrictSerializer):
    reason = Text(max_length=300, help_text="Why nobody needs to act; others read it.")
