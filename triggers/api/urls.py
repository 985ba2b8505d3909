"""Addresses of triggers, below /api/v1/."""

from django.urls import path

from triggers.api.examples import ExampleListView, ExampleView
from triggers.api.views import TriggerViewSet
from triggers.api.would_match import WouldMatchView

urlpatterns = [
    path("triggers", TriggerViewSet.as_view({"get": "list"}), name="api-triggers"),
    path("triggers/<str:id>", TriggerViewSet.as_view({"get": "retrieve"}), name="api-trigger"),
    path("would-match", WouldMatchView.as_view(), name="api-would-match"),
    path("message-examples", ExampleListView.as_view(), name="api-message-examples"),
    path("message-examples/<str:key>", ExampleView.as_view(), name="api-message-example"),
]
