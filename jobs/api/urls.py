"""Addresses of adaptors, workflows, jobs, tables and the library, below /api/v1/."""

from typing import Any

from django.urls import path

from jobs.api.adaptors import AdaptorListView, AdaptorView
from jobs.api.jobs import JobViewSet
from jobs.api.library import LibraryVersionViewSet, LibraryViewSet
from jobs.api.rows import RowHistoryViewSet, RowViewSet
from jobs.api.sheets import SheetViewSet
from jobs.api.tables import TableViewSet
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
    path("tables", TableViewSet.as_view(LIST), name="api-tables"),
    path("tables/<str:id>", TableViewSet.as_view(ONE), name="api-table"),
    path("tables/<str:id>/rows", RowViewSet.as_view({"get": "page", "post": "bulk"}), name="api-table-rows"),
    path(
        "tables/<str:id>/rows/<path:row>",
        RowViewSet.as_view({"get": "one", "put": "put", "delete": "remove"}),
        name="api-table-row",
    ),
    path(
        "tables/<str:id>/csv",
        SheetViewSet.as_view({"get": "write", "post": "bring_in"}),
        name="api-table-csv",
    ),
    path("tables/<str:id>/history", RowHistoryViewSet.as_view({"get": "page"}), name="api-table-history"),
    path(
        "tables/<str:id>/history/restore",
        RowHistoryViewSet.as_view({"post": "restore"}),
        name="api-table-restore",
    ),
    path("library", LibraryViewSet.as_view(LIST), name="api-library"),
    path("library/<str:id>", LibraryViewSet.as_view(ONE), name="api-library-module"),
    path(
        "library/<str:id>/versions",
        LibraryVersionViewSet.as_view({"get": "versions", "post": "save"}),
        name="api-library-versions",
    ),
    path(
        "library/<str:id>/versions/<str:number>",
        LibraryVersionViewSet.as_view({"get": "version"}),
        name="api-library-version",
    ),
]
