"""Adaptors as programs see them: for editors, generators of forms, and people who look something up from a shell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.adaptors import registry
from jobs.adaptors.spec import AdaptorSpec
from openfn_platform.common.pagination import page_response
from openfn_platform.projects.api.base import TokenView
from openfn_platform.projects.api.described import not_found
from openfn_platform.projects.api.scopes import scope_require


class OperationSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As written after the alias: `create`, `fhir.get`.")
    signature = serializers.CharField()
    summary = serializers.CharField()
    description = serializers.CharField()
    example = serializers.CharField()
    writes = serializers.BooleanField(
        help_text="Changes something there; in a dry run it is shown instead of sent."
    )


class AdaptorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    oauth = serializers.ListField(
        child=serializers.CharField(), help_text="The ways of OAuth 2 that its credentials may use."
    )


class AdaptorDetailSerializer(AdaptorSerializer):
    credential = serializers.DictField(
        help_text="JSON Schema of its credentials; `writeOnly` marks what is never shown again."
    )
    operations = OperationSerializer(many=True)


class AdaptorListSerializer(serializers.Serializer[Any]):
    results = AdaptorSerializer(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: there is one page.")


class _AdaptorView(TokenView):
    """What adaptors can do is the same in every project; any token that may read may read it."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        scope_require(token=self.token)


class AdaptorListView(_AdaptorView):
    """All of them, by name."""

    @extend_schema(
        operation_id="adaptors_list",
        summary="The systems that jobs can speak to",
        tags=["adaptors"],
        responses={200: AdaptorListSerializer},
    )
    def get(self, request: Request) -> Response:
        return page_response([_told(registry.spec(name)) for name in sorted(registry.names())], None)


class AdaptorView(_AdaptorView):
    """One, with its functions and the schema of its credentials."""

    @extend_schema(
        operation_id="adaptors_retrieve",
        summary="One of them, with its functions",
        tags=["adaptors"],
        responses={200: AdaptorDetailSerializer, **not_found},
    )
    def get(self, request: Request, name: str) -> Response:
        spec = registry.spec(name)
        operations = [asdict(each) for each in spec.operations]
        return Response({**_told(spec), "credential": spec.schema, "operations": operations})


def _told(spec: AdaptorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "summary": spec.summary,
        "oauth": list(spec.oauth.grants) if spec.oauth else [],
    }
