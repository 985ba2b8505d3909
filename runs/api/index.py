"""The beginning of the API: its lists, its description, and a word for addresses that there are not."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.projects.api.base import TokenView

LISTS = (
    "work-orders",
    "runs",
    "messages",
    "jobs",
    "triggers",
    "workflows",
    "incidents",
    "sent",
    "credentials",
    "inboxes",
    "bulk",
    "saved-inputs",
    "members",
    "tokens",
    "audit",
    "tables",
    "library",
)


class IndexView(TokenView):
    """What there is."""

    @extend_schema(
        operation_id="index",
        summary="The lists, with their addresses",
        tags=["index"],
        responses={200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}},
    )
    def get(self, request: Request) -> Response:
        names = ("project", *LISTS, "adaptors", "message-examples", "schema")
        return Response({name: request.build_absolute_uri(reverse(f"api-{name}")) for name in names})


class SchemaView(SpectacularAPIView):
    """OpenAPI, for everybody: it describes the product and tells nothing of any project."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # has no types
        return answer
