"""The project's library by the API: modules and their versions."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.serializers import DESCRIPTION, NAME
from jobs.api.tables import ByIdOrKey
from jobs.api.workflows import ARCHIVED
from jobs.language.script import LARGEST
from jobs.library import module_archive, module_change, module_create, module_save
from jobs.models import LibraryModule, LibraryVersion
from openfn_platform.common.errors import NotFound
from openfn_platform.common.pagination import CURSOR, PAGE_SIZE, NewestFirst
from openfn_platform.common.serializing import StrictSerializer, Text, Whole
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role


class ModuleSerializer(serializers.ModelSerializer[LibraryModule]):
    live_version = serializers.IntegerField(
        source="live_version.number",
        default=None,
        read_only=True,
        allow_null=True,
        help_text="Number of the version that runs take: the newest without errors.",
    )
    latest_version = serializers.IntegerField(
        source="latest_version.number", default=None, read_only=True, allow_null=True
    )
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = LibraryModule
        fields = (
            "id",
            "key",
            "name",
            "description",
            "live_version",
            "latest_version",
            "inserted_at",
            "archived_at",
        )
        read_only_fields = fields


class ModuleChangeSerializer(StrictSerializer):
    name = Text(max_length=NAME, required=False)
    description = Text(max_length=DESCRIPTION, allow_blank=True, required=False)


class ModuleMakeSerializer(ModuleChangeSerializer):
    key = Text(
        max_length=40, help_text="Its name in code: `from library import facilities`. It stays for good."
    )


class LibraryVersionListedSerializer(serializers.ModelSerializer[LibraryVersion]):
    inserted_at = serializers.DateTimeField(source="created_at", read_only=True)
    author = serializers.CharField(source="author.email", default=None, read_only=True, allow_null=True)
    error_count = serializers.SerializerMethodField(help_text="How many; with any it is not taken by runs.")

    class Meta:
        model = LibraryVersion
        fields = ("id", "number", "author", "note", "error_count", "inserted_at")
        read_only_fields = fields

    def get_error_count(self, version: LibraryVersion) -> int:
        return sum(finding["severity"] == "error" for finding in version.findings)


class LibraryVersionSerializer(LibraryVersionListedSerializer):
    findings = serializers.JSONField(
        read_only=True, help_text="What the check said: line, severity, message …"
    )

    class Meta:
        model = LibraryVersion
        fields = (*LibraryVersionListedSerializer.Meta.fields, "code", "findings")
        read_only_fields = fields


class LibraryVersionPageSerializer(serializers.Serializer[Any]):
    results = LibraryVersionListedSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Address of the next page; null on the last one.")


class LibraryVersionSaveSerializer(StrictSerializer):
    code = Text(max_length=LARGEST, allow_blank=True)
    note = Text(max_length=300, allow_blank=True, required=False)
    based_on = Whole(
        required=False,
        help_text="Number of the newest version that you know, 0 for none: 409 if somebody saved since.",
    )


_PAGE = [
    OpenApiParameter(CURSOR, str, description="Where the page begins. Do not make one up: follow `next`."),
    OpenApiParameter(PAGE_SIZE, int, description="How many at once."),
]


@extend_schema_view(
    list=extend_schema(summary="Modules of the library, newest first", tags=["library"]),
    retrieve=extend_schema(
        summary="One module",
        description="By its id or its key.",
        tags=["library"],
        responses={200: ModuleSerializer, **not_found},
    ),
)
class LibraryViewSet(ListModelMixin, RetrieveModelMixin, ByIdOrKey):
    queryset = LibraryModule.objects.select_related("live_version", "latest_version").defer(
        "live_version__code", "live_version__findings", "latest_version__code", "latest_version__findings"
    )
    serializer_class = ModuleSerializer
    parameters = (ARCHIVED,)
    needs = {"create": Role.EDITOR, "partial_update": Role.EDITOR, "destroy": Role.EDITOR}
    address = "api-library-module"

    @extend_schema(
        summary="Make a module",
        tags=["library"],
        request=ModuleMakeSerializer,
        responses={201: ModuleSerializer, **not_now, **unusable},
        examples=[OpenApiExample("For facilities", value={"key": "facilities"})],
    )
    def create(self, request: Request) -> Response:
        values = self.given(ModuleMakeSerializer)
        return self.shown(module_create(project=self.project, by=self.actor, **values), status=201)

    @extend_schema(
        summary="Change a module's name or description",
        tags=["library"],
        request=ModuleChangeSerializer,
        responses={200: ModuleSerializer, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("Another name", value={"name": "Facilities and their codes"})],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values = self.given(ModuleChangeSerializer)
        with self.holding() as module:
            module_change(module=module, by=self.actor, **values)
        return self.shown(module)

    @extend_schema(
        summary="Put a module away",
        description="Not while live jobs use it.",
        tags=["library"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as module:
            module_archive(module=module, by=self.actor)
        return Response(status=204)


class LibraryVersionViewSet(ByIdOrKey):
    queryset = LibraryModule.objects.all()
    serializer_class = LibraryVersionSerializer
    needs = {"save": Role.EDITOR}
    takes = {"versions": NewestFirst.names}
    selects: ClassVar[frozenset[str]] = frozenset()

    @extend_schema(
        operation_id="library_versions_list",
        summary="Versions of a module, newest first",
        tags=["library"],
        parameters=_PAGE,
        responses={200: LibraryVersionPageSerializer, **not_found},
    )
    def versions(self, request: Request, id: str) -> Response:
        rows: Any = self.get_object().versions.select_related("author").defer("code")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(LibraryVersionListedSerializer(page, many=True).data)

    @extend_schema(
        operation_id="library_versions_save",
        summary="Save a new version",
        description="It is checked as a job's code is. Without errors every run that starts from now on takes it.",
        tags=["library"],
        request=LibraryVersionSaveSerializer,
        responses={201: LibraryVersionSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "A function",
                value={"code": "def name_of(code):\n    return tables.facilities[code]\n", "note": "names"},
                request_only=True,
            )
        ],
    )
    def save(self, request: Request, id: str) -> Response:
        module = self.get_object()
        values = self.given(LibraryVersionSaveSerializer)
        version = module_save(module=module, by=self.actor, **values)
        return Response(LibraryVersionSerializer(version).data, status=201)

    @extend_schema(
        operation_id="library_versions_retrieve",
        summary="One version, with its code",
        tags=["library"],
        responses={200: LibraryVersionSerializer, **not_found},
    )
    def version(self, request: Request, id: str, number: str) -> Response:
        module = self.get_object()
        plain = number.isascii() and number.isdigit() and len(number) < 10
        found = module.versions.filter(number=int(number)).select_related("author").first() if plain else None
        if found is None:
            raise NotFound()
        return Response(LibraryVersionSerializer(found).data)
