"""Addresses of triggers and inboxes, below /api/v1/."""

from typing import Any

from django.urls import path

from triggers.api.examples import ExampleListView, ExampleView
from triggers.api.inboxes import InboxAuthViewSet, InboxViewSet
from triggers.api.looking import FiringsView, TriggerHistoryViewSet
from triggers.api.triggers import TriggerViewSet
from triggers.api.would_match import WouldMatchView

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
    path("inboxes", InboxViewSet.as_view(LIST), name="api-inboxes"),
    path("inboxes/<str:id>", InboxViewSet.as_view(ONE), name="api-inbox"),
    path(
        "inboxes/<str:id>/auths",
        InboxAuthViewSet.as_view({"get": "auths", "post": "add"}),
        name="api-inbox-auths",
    ),
    path(
        "inboxes/<str:id>/auths/<str:auth>",
        InboxAuthViewSet.as_view({"get": "auth", "delete": "revoke"}),
        name="api-inbox-auth",
    ),
    path(
        "inboxes/<str:id>/refusals",
        InboxAuthViewSet.as_view({"get": "refusals"}),
        name="api-inbox-refusals",
    ),
    path("would-match", WouldMatchView.as_view(), name="api-would-match"),
    path("message-examples", ExampleListView.as_view(), name="api-message-examples"),
    path("message-examples/<str:key>", ExampleView.as_view(), name="api-message-example"),
]
