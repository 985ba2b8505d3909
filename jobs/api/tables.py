"""Tables by the API: made, changed, put away. Their rows are in `jobs.api.rows`."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.serializers import DESCRIPTION, NAME
from jobs.api.workflows import ARCHIVED
from jobs.models import Table, TableKind
from jobs.models.table import MOST_ROWS, VALUE_BYTES
from jobs.tables import table_archive, table_change, table_create
from openfn_platform.common.errors import NotFound
from openfn_platform.common.models import KEY_LENGTH, as_uuid, valid_key
from openfn_platform.common.parameters import of_words
from openfn_platform.common.serializing import StrictSerializer, Text, Whole, Word
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role

_KIND = "lookup: people keep it and jobs read it; store: jobs keep there what they need again."


class TableSerializer(serializers.ModelSerializer[Table]):
    kind = serializers.CharField(read_only=True, help_text=_KIND)
    row_count = serializers.IntegerField(
        read_only=True, help_text="Rows whose time is over count until the platform has removed them."
    )
    byte_count = serializers.IntegerField(read_only=True, help_text="Of keys and values as text.")
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Table
        fields = (
            "id",
            "key",
            "name",
            "description",
            "kind",
            "most_rows",
            "value_bytes",
            "row_count",
            "byte_count",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields


class TableChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)
    kind = Word(choices=TableKind.values, required=False, help_text=_KIND)
    most_rows = Whole(min_value=1, max_value=MOST_ROWS, required=False)
    value_bytes = Whole(min_value=10, max_value=VALUE_BYTES, required=False)


class TableMakeSerializer(TableChangeSerializer):
    name = Text(max_length=NAME)
    key = Text(
        max_length=KEY_LENGTH,
        validators=[valid_key],
        required=False,
        help_text="Its name in jobs, `tables.facilities`; made from the name if it is left out. It stays for good.",
    )


class ByIdOrKey(ProjectViewSet[Any]):
    """Tables and modules have keys that are unique in their project, so an address may have either."""

    def get_object(self) -> Any:
        given = self.kwargs["id"]
        found = as_uuid(given)
        rows = self.get_queryset()
        row = rows.filter(pk=found).first() if found is not None else None
        if row is None and "\0" not in given:
            row = rows.filter(key=given).first()
        if row is None:
            raise NotFound()
        return row


@extend_schema_view(
    list=extend_schema(summary="Tables, newest first", tags=["tables"]),
    retrieve=extend_schema(
        summary="One table",
        description="By its id or its key.",
        tags=["tables"],
        responses={200: TableSerializer, **not_found},
    ),
)
class TableViewSet(ListModelMixin, RetrieveModelMixin, ByIdOrKey):
    queryset = Table.objects.all()
    serializer_class = TableSerializer
    parameters = (of_words("kind", "Of this kind.", path="kind", words=TableKind.values), ARCHIVED)
    needs = {"create": Role.EDITOR, "partial_update": Role.EDITOR, "destroy": Role.EDITOR}
    volatile: ClassVar[frozenset[str]] = frozenset({"row_count", "byte_count"})
    address = "api-table"

    @extend_schema(
        summary="Make a table",
        tags=["tables"],
        request=TableMakeSerializer,
        responses={201: TableSerializer, **not_now, **unusable},
        examples=[
            OpenApiExample("To look up in", value={"name": "Facilities"}),
            OpenApiExample("To keep something in", value={"name": "Seen", "kind": "store"}),
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(TableMakeSerializer)
        return self.shown(table_create(project=self.project, by=self.actor, **values), status=201)

    @extend_schema(
        summary="Change a table",
        description="Its key stays: jobs depend on it.",
        tags=["tables"],
        request=TableChangeSerializer,
        responses={200: TableSerializer, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("More room", value={"most_rows": 500000})],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values = self.given(TableChangeSerializer)
        with self.holding() as table:
            table_change(table=table, by=self.actor, **values)
        return self.shown(table)

    @extend_schema(
        summary="Put a table away",
        description="Jobs find it no more; its rows are kept.",
        tags=["tables"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as table:
            table_archive(table=table, by=self.actor)
        return Response(status=204)
