"""Bulk operations: what is sent to begin one, and how programs see them."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from openfn_platform.common.serializing import Flag, IdField, StrictSerializer, Text, TextOrNull, Word
from runs.models import BulkItem, BulkOperation, Deed
from runs.selectors.bulk import came_of, note_of, reasons_of, waits_for


class BulkRunsSerializer(serializers.Serializer[BulkOperation]):
    """What came of the items that made runs; an item that made several counts once."""

    under_way = serializers.IntegerField(source="runs_under_way", help_text="Not ended yet.")
    succeeded = serializers.IntegerField(source="runs_succeeded")
    failed = serializers.IntegerField(source="runs_failed", help_text="After their last automatic attempt.")
    cancelled = serializers.IntegerField(source="runs_cancelled", help_text="Or skipped.")


class BulkSerializer(serializers.ModelSerializer[BulkOperation]):
    deed = serializers.CharField(read_only=True, help_text="retry, cancel, abort, dismiss or reprocess.")
    state = serializers.CharField(
        read_only=True,
        help_text="waiting → running → done, or cancelled; stopped: by itself, because its runs fail. Done is what "
        "makes runs when they have ended.",
    )
    failed = serializers.IntegerField(read_only=True, help_text="Nothing was done about these.")
    waiting = serializers.IntegerField(
        read_only=True, help_text="Not looked at yet; once it was cancelled: left as they are."
    )
    requested_by = serializers.CharField(source="requested_by_name", read_only=True)
    note = TextOrNull(help_text="Why it ended early.")
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    one_first = serializers.BooleanField(
        read_only=True, help_text="The others follow when the first run has succeeded."
    )
    runs = BulkRunsSerializer(source="*", read_only=True)
    stopped_by = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The run whose failure stopped it."
    )

    class Meta:
        model = BulkOperation
        fields = (
            "id",
            "deed",
            "state",
            "total",
            "done",
            "failed",
            "waiting",
            "requested_by",
            "note",
            "inserted_at",
            "started_at",
            "finished_at",
            "one_first",
            "runs",
            "stopped_by",
        )
        read_only_fields: tuple[str, ...] = fields


class ReasonCountSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    count = serializers.IntegerField()


class BulkDetailSerializer(BulkSerializer):
    reasons = serializers.SerializerMethodField(help_text="Why things failed, the commonest first.")
    note = serializers.SerializerMethodField(  # type: ignore[assignment]  # of another kind
        help_text="Why it ended early; where runs failed, with the sentence of one of them."
    )
    waits_for = serializers.SerializerMethodField(
        help_text="What it waits for before it goes on, in a sentence."
    )

    class Meta(BulkSerializer.Meta):
        fields = (*BulkSerializer.Meta.fields, "reasons", "waits_for")  # type: ignore[assignment]  # names more
        read_only_fields = fields

    def get_note(self, operation: BulkOperation) -> str | None:
        return note_of(operation, sees=bool(self.context.get("sees"))) or None

    def get_waits_for(self, operation: BulkOperation) -> str | None:
        return waits_for(operation, sees=bool(self.context.get("sees"))) or None

    @extend_schema_field(ReasonCountSerializer(many=True))
    def get_reasons(self, operation: BulkOperation) -> Any:
        return ReasonCountSerializer(reasons_of(operation), many=True).data


class BulkItemSerializer(serializers.ModelSerializer[BulkItem]):
    target = serializers.UUIDField(read_only=True, help_text="The run or message.")
    state = serializers.CharField(read_only=True, help_text="waiting, done or failed.")
    reason = TextOrNull(help_text="Why nothing was done.")
    result = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The run that was made, if it is one."
    )
    came = serializers.SerializerMethodField(
        help_text="What came of it: waiting, under_way, succeeded, failed, cancelled or left_out; null where no run "
        "was made."
    )
    runs = serializers.SerializerMethodField(
        help_text="Of each run that was made, the newest automatic attempt."
    )

    class Meta:
        model = BulkItem
        fields = ("position", "target", "state", "reason", "result", "came", "runs")
        read_only_fields = fields

    def get_came(self, item: BulkItem) -> str | None:
        return came_of(item) or None

    def get_runs(self, item: BulkItem) -> list[uuid.UUID]:
        return item.runs or []


class BulkItemPageSerializer(serializers.Serializer[Any]):
    results = BulkItemSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class BulkCountSerializer(serializers.Serializer[Any]):
    deed = serializers.CharField()
    total = serializers.IntegerField(help_text="To so many it would be done.")
    left_out = serializers.IntegerField(
        help_text="So many of the ids are not there, or it does not apply to them; of a retry also those whose job is "
        "off, or has no live version to retry them with."
    )
    too_many = serializers.BooleanField(
        help_text="There are more than one operation may touch; `total` counts no further."
    )


# --- what is sent ---------------------------------------------------------------------------------


class FilterText(Text):
    """A filter's value, as it stands in an address; true and false may be sent as what they are."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(("false", "true")[data] if isinstance(data, bool) else data)


_FITS = {
    "reason": {Deed.DISMISS},
    "same_code": {Deed.RETRY},
    "one_first": {Deed.RETRY, Deed.REPROCESS},
    "jobs": {Deed.REPROCESS},
}


class BulkOrderSerializer(StrictSerializer):
    """Either `ids` or `filter`."""

    deed = Word(choices=Deed.values)
    ids = serializers.ListField(
        child=IdField(), required=False, min_length=1, max_length=10_000, help_text="Runs, or messages."
    )
    filter = serializers.DictField(
        child=FilterText(allow_blank=True),
        required=False,
        help_text="Names and values as in the address of the list of runs, or of messages.",
    )
    reason = Text(required=False, max_length=300, help_text="For `dismiss`: why; others read it.")
    same_code = Flag(required=False, help_text="For `retry`: the code as it was, not as it is live now.")
    one_first = Flag(
        required=False,
        help_text="For `retry` and `reprocess`: begin the first alone. When its run has succeeded the others follow; "
        "when it failed, the operation stops.",
    )
    jobs = serializers.ListField(
        child=IdField(), required=False, min_length=1, max_length=50, help_text="For `reprocess`."
    )
    dry_run = Flag(required=False, default=False, help_text="Only count.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) is ("filter" in attrs):
            raise serializers.ValidationError("Give `ids` or `filter`, one of them.")
        for name, deeds in _FITS.items():
            if name in attrs and attrs["deed"] not in deeds:
                raise serializers.ValidationError({name: [f"Only {', '.join(sorted(deeds))} takes it."]})
        return attrs
