"""Tables as CSV by the API, read and written while they are on their way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.rows import PREFIX, OfTable
from jobs.sheet_loading import SheetMode, sheet_bring_in
from jobs.sheet_writing import sheet_write
from jobs.sheets import MOST_BYTES, BadSheet
from openfn_platform.common.parameters import BadParameter
from openfn_platform.projects.api.described import not_found, not_now, unusable
from openfn_platform.projects.models import Role

PIECE = 64_000


class BadLineSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    reason = serializers.CharField()


class BroughtSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(source="dry")
    lines = serializers.IntegerField()
    made = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    removed = serializers.IntegerField()
    bad_count = serializers.IntegerField()
    bad = BadLineSerializer(many=True, help_text="The first of them.")


class SheetParser(BaseParser):
    """A CSV as pieces of bytes, read while it is worked on."""

    media_type = "text/csv"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > MOST_BYTES:
            raise SheetTooLarge(f"The CSV is larger than {MOST_BYTES // 1_000_000} MB; bring it in in parts.")
        return _pieces(stream, length)


class SheetTooLarge(BadSheet):
    """The CSV is too large."""

    code = "too_large"
    status = 413


def _pieces(stream: IO[Any], length: int) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        length -= len(piece)
        yield piece
    if length > 0:
        raise BadSheet("The CSV ended before its Content-Length; nothing was brought in.")


class SheetViewSet(OfTable):
    """A table as CSV."""

    parser_classes = (SheetParser,)
    needs = {"bring_in": Role.EDITOR}
    shows_data: ClassVar[frozenset[str]] = frozenset({"write"})
    takes = {"write": ("prefix",), "bring_in": ("mode", "dry_run", "leave_out_bad")}

    @extend_schema(
        operation_id="table_csv_retrieve",
        summary="The rows as CSV",
        description="`key,value` for texts, `key,name,…` for objects of texts, else `key,json`. What a program for "
        "tables would take for a formula has a ' in front.",
        tags=["tables"],
        parameters=[PREFIX],
        responses={(200, "text/csv"): OpenApiTypes.STR, **not_found},
    )
    def write(self, request: Request, id: str) -> StreamingHttpResponse:
        table = self.get_object()
        chunks = sheet_write(table=table, by=self.actor, prefix=self.text("prefix"))
        answer = StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{table.key}.csv"'
        answer["Cache-Control"] = "private, no-store"
        return answer

    @extend_schema(
        operation_id="table_csv_bring_in",
        summary="Bring in a CSV",
        description="The first line has names; one column is the key (`key`, or else the first). All of it or nothing.",
        tags=["tables"],
        parameters=[
            OpenApiParameter("mode", str, enum=list(SheetMode), description="replace: others are removed."),
            OpenApiParameter("dry_run", bool, description="true: only tell what would change."),
            OpenApiParameter("leave_out_bad", bool, description="true: bad lines keep nothing else out."),
        ],
        request={"text/csv": OpenApiTypes.STR},
        responses={200: BroughtSerializer, **not_found, **not_now, **unusable},
    )
    def bring_in(self, request: Request, id: str) -> Response:
        table = self.get_object()
        options: dict[str, Any] = {
            "mode": self._mode(),
            "dry": self._flag("dry_run"),
            "leave_out_bad": self._flag("leave_out_bad"),
        }
        chunks: Any = request.data
        brought = sheet_bring_in(table=table, chunks=chunks, by=self.actor, **options)
        return Response(BroughtSerializer(brought).data)

    def _mode(self) -> SheetMode:
        text = self.text("mode") or SheetMode.MERGE
        if text not in list(SheetMode):
            raise BadParameter("`mode` must be merge or replace.", field="mode")
        return SheetMode(text)

    def _flag(self, name: str) -> bool:
        text = self.text(name)
        if text not in ("", "true", "false"):
            raise BadParameter(f"`{name}` must be true or false.", field=name)
        return text == "true"
