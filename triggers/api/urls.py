"""Addresses of triggers, below /api/v1/."""

from django.urls import path

from triggers.api.views import TriggerViewSet

urlpatterns = [
    path("triggers", TriggerViewSet.as_view({"get": "list"}), name="api-triggers"),
    path("triggers/<str:id>", TriggerViewSet.as_view({"get": "retrieve"}), name="api-trigger"),
]
