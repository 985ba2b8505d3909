"""Addresses of adaptors, workflows and jobs, below /api/v1/."""

from typing import Any

from django.urls import path

from jobs.api.adaptors import AdaptorListView, AdaptorView
from jobs.api.jobs import JobViewSet
from jobs.api.workflows import WorkflowViewSet

LIST: dict[str, Any] = {"get": "list", "post": "create"}
ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("adaptors", AdaptorListView.as_view(), name="api-adaptors"),
    path("adaptors/<str:name>", AdaptorView.as_view(), name="api-adaptor"),
    path("workflows", WorkflowViewSet.as_view(LIST), name="api-workflows"),
    path("workflows/<str:id>", WorkflowViewSet.as_view(ONE), name="api-workflow"),
    path("jobs", JobViewSet.as_view(LIST), name="api-jobs"),
    path("jobs/<str:id>", JobViewSet.as_view(ONE), name="api-job"),
]
