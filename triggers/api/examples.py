"""Reading the example messages. They ship with the platform and are the same for every project."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import NotFound
from openfn_platform.projects.api.base import TokenView
from openfn_platform.projects.api.described import not_found
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.models import Role
from triggers.examples.catalogue import by_system, example_named


class ExampleSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    system = serializers.CharField(help_text="Who sends it, for example CommCare.")
    title = serializers.CharField()
    what = serializers.CharField(help_text="One sentence: what it tells.")
    content_type = serializers.CharField()
    duplicate_path = serializers.CharField(
        allow_blank=True, help_text="Where the sender's own id stands; empty if it has none."
    )


class SuggestionSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    inclusion = serializers.JSONField()
    exclusion = serializers.JSONField(help_text="null: nothing is excluded.")


class WholeExampleSerializer(ExampleSerializer):
    how = serializers.CharField(help_text="How to have the system send it to an inbox.")
    method = serializers.CharField()
    query = serializers.DictField(child=serializers.CharField())
    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.CharField(source="text", help_text="As it is sent, as a text.")
    parsed = serializers.JSONField(help_text="As triggers match it and jobs get it.")
    suggestions = SuggestionSerializer(many=True, help_text="Criteria to start a trigger from.")


class ExampleListSerializer(serializers.Serializer[Any]):
    results = ExampleSerializer(many=True)


class _ExampleView(TokenView):
    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        scope_require(token=self.token, role=Role.VIEWER, data=False)


class ExampleListView(_ExampleView):
    @extend_schema(
        operation_id="message_examples_list",
        summary="Example messages of partner systems",
        tags=["message examples"],
        responses=ExampleListSerializer,
    )
    def get(self, request: Request) -> Response:
        rows = [example for _system, found in by_system() for example in found]
        return Response(ExampleListSerializer({"results": rows}).data)


class ExampleView(_ExampleView):
    @extend_schema(
        operation_id="message_examples_retrieve",
        summary="One example message, with criteria to start from",
        tags=["message examples"],
        parameters=[OpenApiParameter("key", str, OpenApiParameter.PATH)],
        responses={200: WholeExampleSerializer, **not_found},
    )
    def get(self, request: Request, key: str) -> Response:
        example = example_named(key)
        if example is None:
            raise NotFound("There is no example by that key.")
        return Response(WholeExampleSerializer(example).data)
