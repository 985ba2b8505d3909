"""Rows of tables by the API: one, many, and what happened to them.

A row's ETag is its version. `If-Match` makes a change conditional on it, `If-None-Match: *` on there being none; without
either the last one to write wins, as in every key-value store.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.tables import ByIdOrKey
from jobs.models import Table, TableRow
from jobs.models.table import KEY_CHARACTERS
from jobs.row_history import row_changes, row_restore
from jobs.rows import MOST_AT_ONCE, RowChanged, row_get, row_remove, row_set, rows_page, rows_set
from openfn_platform.common.errors import Invalid
from openfn_platform.common.pagination import CURSOR, PAGE_SIZE, next_address, page_response, page_size
from openfn_platform.common.parameters import BadParameter, whole_number
from openfn_platform.common.serializing import StrictSerializer, Text, Whole
from openfn_platform.projects.api.described import not_found, not_now, problem_of, unusable
from openfn_platform.projects.models import Role

LARGEST_PAGE = 1_000

_changed = dict(
    problem_of(412, "The row is not (or no longer) what the condition says; nothing was changed.")
)
PREFIX = OpenApiParameter("prefix", str, description="Only keys that begin so, character by character.")
_PAGE = [
    OpenApiParameter(CURSOR, str, description="Where the page begins. Do not make one up: follow `next`."),
    OpenApiParameter(PAGE_SIZE, int, description=f"How many at once, at most {LARGEST_PAGE:,}."),
]
_IF = [
    OpenApiParameter(
        "If-Match", str, OpenApiParameter.HEADER, description="Only if the row still has this ETag."
    ),
    OpenApiParameter(
        "If-None-Match", str, OpenApiParameter.HEADER, description="`*`: only if it is not there."
    ),
]


class RowSerializer(serializers.ModelSerializer[TableRow]):
    version = serializers.IntegerField(read_only=True, help_text="Another one after every change.")
    expires_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it will be gone; null: never."
    )
    run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)

    class Meta:
        model = TableRow
        fields = ("key", "value", "version", "expires_at", "updated_at", "run")
        read_only_fields = fields


class RowPageSerializer(serializers.Serializer[Any]):
    results = RowSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class WrittenSerializer(serializers.Serializer[Any]):
    """What became of a row; nothing that its writer does not know already."""

    version = serializers.IntegerField()
    made = serializers.BooleanField(help_text="false: it was there, and has this value now.")


class WrittenItemSerializer(WrittenSerializer):
    key = serializers.CharField()


class WrittenListSerializer(serializers.Serializer[Any]):
    results = WrittenItemSerializer(many=True)


_TTL = "How long it shall be there; left out: for good."


class RowPutSerializer(StrictSerializer):
    value = serializers.JSONField(allow_null=True, help_text="Anything that JSON has.")
    ttl_seconds = Whole(min_value=1, required=False, help_text=_TTL)


class RowItemSerializer(StrictSerializer):
    key = Text(max_length=KEY_CHARACTERS)
    value = serializers.JSONField(allow_null=True)


class RowsPutSerializer(StrictSerializer):
    rows = RowItemSerializer(many=True, allow_empty=False, max_length=MOST_AT_ONCE)  # type: ignore[call-arg]  # the stubs do not know that lists have one
    ttl_seconds = Whole(min_value=1, required=False, help_text=_TTL)

    def validate_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = [row["key"] for row in rows]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise serializers.ValidationError(f"The key “{twice[:40]}” stands there more than once.")
        return rows


class RowChangeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    key = serializers.CharField()
    kind = serializers.CharField(help_text="made, changed, removed or expired.")
    at = serializers.DateTimeField()
    by = serializers.CharField(source="by_name", help_text="A person or a token; empty for a run.")
    run = serializers.UUIDField(source="run_id", allow_null=True)
    before = serializers.JSONField(help_text="The value until then; null where it was made.")


class RowChangePageSerializer(serializers.Serializer[Any]):
    results = RowChangeSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class RowRestoreSerializer(StrictSerializer):
    change = Whole(min_value=1, max_value=2**63 - 1, help_text="Id of a change, from the history.")


class OfTable(ByIdOrKey):
    queryset = Table.objects.filter(archived_at=None)
    serializer_class = RowSerializer
    guarded: ClassVar[frozenset[str]] = frozenset()
    selects: ClassVar[frozenset[str]] = frozenset()

    @property
    def _size(self) -> int:
        return page_size(self.request, largest=LARGEST_PAGE)

    def text(self, name: str) -> str:
        return str(self.request.query_params.get(name, ""))


class RowViewSet(OfTable):
    """Rows one by one and many at once."""

    needs = {"replace": Role.EDITOR, "bulk": Role.EDITOR, "remove": Role.EDITOR}
    shows_data: ClassVar[frozenset[str]] = frozenset({"page", "one"})
    takes = {"page": ("prefix", CURSOR, PAGE_SIZE)}

    @extend_schema(
        operation_id="table_rows_list",
        summary="Rows, in the order of their keys",
        tags=["tables"],
        parameters=[PREFIX, *_PAGE],
        responses={200: RowPageSerializer, **not_found},
    )
    def page(self, request: Request, id: str) -> Response:
        table, size = self.get_object(), self._size
        after = _opened(self.text(CURSOR))
        rows = rows_page(table=table, prefix=self.text("prefix"), after=after, size=size + 1)
        more = len(rows) > size
        following = next_address(request, **{CURSOR: _made(rows[size - 1].key)}) if more else None
        return page_response([*RowSerializer(rows[:size], many=True).data], following)

    @extend_schema(
        operation_id="table_rows_bulk",
        summary="Set many rows",
        description=f"Up to {MOST_AT_ONCE:,}; all of them or none. What is there is replaced.",
        tags=["tables"],
        request=RowsPutSerializer,
        responses={200: WrittenListSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "Two facilities",
                value={"rows": [{"key": "12", "value": "x7Gh2"}, {"key": "13", "value": {"uid": "b1Kq9"}}]},
                request_only=True,
            )
        ],
    )
    def bulk(self, request: Request, id: str) -> Response:
        table = self.get_object()
        values = self.given(RowsPutSerializer)
        rows = {row["key"]: row["value"] for row in values["rows"]}
        written = rows_set(table=table, rows=rows, by=self.actor, ttl=_span(values))
        return Response({"results": WrittenItemSerializer(written, many=True).data})

    @extend_schema(
        operation_id="table_row_retrieve",
        summary="One row",
        tags=["tables"],
        responses={200: RowSerializer, **not_found},
    )
    def one(self, request: Request, id: str, row: str) -> Response:
        found = row_get(table=self.get_object(), key=row)
        return _tagged(Response(RowSerializer(found).data), found.version)

    @extend_schema(
        operation_id="table_row_put",
        summary="Set one row",
        description="Makes it or takes its place.",
        tags=["tables"],
        parameters=_IF,
        request=RowPutSerializer,
        responses={
            200: WrittenSerializer,
            201: WrittenSerializer,
            **not_found,
            **not_now,
            **_changed,
            **unusable,
        },
        examples=[
            OpenApiExample("For good", value={"value": {"uid": "x7Gh2"}}, request_only=True),
            OpenApiExample("For an hour", value={"value": 1, "ttl_seconds": 3600}, request_only=True),
        ],
    )
    def replace(self, request: Request, id: str, row: str) -> Response:
        table = self.get_object()
        values = self.given(RowPutSerializer)
        absent = self._if_none_match
        done = row_set(
            table=table,
            key=row,
            value=values["value"],
            by=self.actor,
            ttl=_span(values),
            if_absent=absent,
            version=self._version,
        )
        if absent and not done.made:
            raise RowChanged("This row is there already.")
        return _tagged(Response(WrittenSerializer(done).data, status=201 if done.made else 200), done.version)

    @extend_schema(
        operation_id="table_row_remove",
        summary="Remove one row",
        tags=["tables"],
        parameters=_IF[:1],
        responses={204: None, **not_found, **not_now, **_changed},
    )
    def remove(self, request: Request, id: str, row: str) -> Response:
        row_remove(table=self.get_object(), key=row, by=self.actor, version=self._version)
        return Response(status=204)

    @property
    def _version(self) -> int | None:
        """What If-Match says; a version that none has where it is nonsense or of something else."""
        given = self._if_match
        if given is None or given.strip() == "*":
            return None
        text = given.strip().removeprefix("W/").strip('"')
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1

    @property
    def _if_none_match(self) -> bool:
        given = self.request.META.get("HTTP_IF_NONE_MATCH")
        if given is not None and given.strip() != "*":
            raise BadParameter("If-None-Match can only be `*` here: set it if it is not there.")
        return given is not None


class RowHistoryViewSet(OfTable):
    """What happened to rows, and bringing a value back."""

    needs = {"restore": Role.EDITOR}
    shows_data: ClassVar[frozenset[str]] = frozenset({"page"})
    takes = {"page": ("key", CURSOR, PAGE_SIZE)}

    @extend_schema(
        operation_id="table_history_list",
        summary="Changes of rows, newest first",
        description="Of each key the last twenty are kept.",
        tags=["tables"],
        parameters=[OpenApiParameter("key", str, description="Only of this key."), *_PAGE],
        responses={200: RowChangePageSerializer, **not_found},
    )
    def page(self, request: Request, id: str) -> Response:
        table, size = self.get_object(), self._size
        cursor = self.text(CURSOR)
        before = whole_number(CURSOR, cursor, least=1, most=9_999_999_999) if cursor else None
        rows = row_changes(table=table, key=self.text("key"), before=before, size=size + 1)
        more = len(rows) > size
        following = next_address(request, **{CURSOR: str(rows[size - 1].pk)}) if more else None
        return page_response([*RowChangeSerializer(rows[:size], many=True).data], following)

    @extend_schema(
        operation_id="table_history_restore",
        summary="Bring a value back",
        description="Sets the key to what it was before that change.",
        tags=["tables"],
        request=RowRestoreSerializer,
        responses={200: WrittenSerializer, **not_found, **not_now},
        examples=[OpenApiExample("Before that change", value={"change": 4711}, request_only=True)],
    )
    def restore(self, request: Request, id: str) -> Response:
        table = self.get_object()
        change = self.given(RowRestoreSerializer)["change"]
        return Response(WrittenSerializer(row_restore(table=table, change=change, by=self.actor)).data)


def _span(values: Mapping[str, Any]) -> timedelta | None:
    try:
        return timedelta(seconds=values["ttl_seconds"]) if "ttl_seconds" in values else None
    except OverflowError:
        raise Invalid("The time to live is too long.", field="ttl_seconds") from None


def _tagged(answer: Response, version: int) -> Response:
    answer["ETag"] = f'"{version}"'
    answer["Cache-Control"] = "private, no-cache"
    return answer


def _made(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def _opened(cursor: str) -> str:
    try:
        key = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        raise _not_ours() from None
    if _made(key) != cursor or "\0" in key:
        raise _not_ours()
    return key


def _not_ours() -> BadParameter:
    return BadParameter(
        "This cursor is none of ours; follow the address in `next`, or begin without one.", field=CURSOR
    )
