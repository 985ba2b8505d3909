"""Addresses of adaptors, workflows and jobs, below /api/v1/."""

from typing import Any

from django.urls import path

from jobs.api.adaptors import AdaptorListView, AdaptorView
from jobs.api.drafts import DraftViewSet
from jobs.api.jobs import JobViewSet
from jobs.api.versions import VersionViewSet
from jobs.api.workflows import WorkflowViewSet

LIST: dict[str, Any] = {"get": "list", "post": "create"}
VERSION = "jobs/<str:id>/versions/<str:number>"
ONE: dict[str, Any] = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("adaptors", AdaptorListView.as_view(), name="api-adaptors"),
    path("adaptors/<str:name>", AdaptorView.as_view(), name="api-adaptor"),
    path("workflows", WorkflowViewSet.as_view(LIST), name="api-workflows"),
    path("workflows/<str:id>", WorkflowViewSet.as_view(ONE), name="api-workflow"),
    path("jobs", JobViewSet.as_view(LIST), name="api-jobs"),
    path("jobs/<str:id>", JobViewSet.as_view(ONE), name="api-job"),
    path("jobs/<str:id>/check", DraftViewSet.as_view({"post": "check"}), name="api-job-check"),
    path(
        "jobs/<str:id>/draft",
        DraftViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="api-job-draft",
    ),
    path("jobs/<str:id>/versions", VersionViewSet.as_view({"get": "list"}), name="api-job-versions"),
    path(f"{VERSION}", VersionViewSet.as_view({"get": "retrieve"}), name="api-job-version"),
    path(f"{VERSION}/diff", VersionViewSet.as_view({"get": "difference"}), name="api-job-version-diff"),
    path(f"{VERSION}/make-live", VersionViewSet.as_view({"post": "make_live"}), name="api-job-version-live"),
    path(f"{VERSION}/restore", VersionViewSet.as_view({"post": "restore"}), name="api-job-version-restore"),
]
