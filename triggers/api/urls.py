"""Addresses of triggers, below /api/v1/."""

from typing import Any

from django.urls import path

from triggers.api.examples import ExampleListView, ExampleView
from triggers.api.looking import FiringsView, TriggerHistoryViewSet
from triggers.api.triggers import TriggerViewSet

LIST: dict[str, Any] = {"get": "list", "post": "create"}
ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("triggers", TriggerViewSet.as_view(LIST), name="api-triggers"),
    path("triggers/<str:id>", TriggerViewSet.as_view(ONE), name="api-trigger"),
    path(
        "triggers/<str:id>/firings",
        TriggerHistoryViewSet.as_view({"get": "firings"}),
        name="api-trigger-firings",
    ),
    path(
        "triggers/<str:id>/revisions",
        TriggerHistoryViewSet.as_view({"get": "revisions"}),
        name="api-trigger-revisions",
    ),
    path("firings", FiringsView.as_view(), name="api-firings"),
    path("message-examples", ExampleListView.as_view(), name="api-message-examples"),
    path("message-examples/<str:key>", ExampleView.as_view(), name="api-message-example"),
]
