"""Addresses of the project, its members, its tokens and the audit, below /api/v1/."""

from typing import Any

from django.urls import path

from openfn_platform.projects.api.views import AuditViewSet, MemberViewSet, TheProjectViewSet, TokenViewSet

LIST: dict[str, Any] = {"get": "list"}
ONE: dict[str, Any] = {"get": "retrieve"}
CHANGE: dict[str, Any] = {"patch": "partial_update"}

urlpatterns = [
    path("project", TheProjectViewSet.as_view({**ONE, **CHANGE}), name="api-project"),
    path("members", MemberViewSet.as_view({**LIST, "post": "create"}), name="api-members"),
    path(
        "members/<str:id>",
        MemberViewSet.as_view({**ONE, **CHANGE, "delete": "destroy"}),
        name="api-member",
    ),
    path("tokens", TokenViewSet.as_view(LIST), name="api-tokens"),
    path("tokens/<str:id>", TokenViewSet.as_view(ONE), name="api-token"),
    path("audit", AuditViewSet.as_view(LIST), name="api-audit"),
]
