"""Addresses of adaptors, workflows, jobs, credentials, tables and the library, below /api/v1/."""

from typing import Any

from django.urls import path

from jobs.api.adaptors import AdaptorListView, AdaptorView
from jobs.api.credential_deeds import CredentialDeedViewSet
from jobs.api.credentials import CredentialViewSet
from jobs.api.drafts import DraftViewSet
from jobs.api.jobs import JobViewSet
from jobs.api.library import LibraryVersionViewSet, LibraryViewSet
from jobs.api.rows import RowHistoryViewSet, RowViewSet
from jobs.api.sheets import SheetViewSet
from jobs.api.tables import TableViewSet
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
    path("credentials", CredentialViewSet.as_view(LIST), name="api-credentials"),
    path("credentials/<str:id>", CredentialViewSet.as_view(ONE), name="api-credential"),
    path(
        "credentials/<str:id>/undo", CredentialViewSet.as_view({"post": "undo"}), name="api-credential-undo"
    ),
    *(
        path(
            f"credentials/<str:id>/{deed.replace('_', '-')}",
            CredentialDeedViewSet.as_view({method: deed}),
            name=f"api-credential-{deed.replace('_', '-')}",
        )
        for method, deed in (("post", "test"), ("get", "earlier"), ("get", "used_by"))
    ),
    path(
        "credentials/<str:id>/loans",
        CredentialDeedViewSet.as_view({"get": "loans", "post": "lend"}),
        name="api-credential-loans",
    ),
    path(
        "credentials/<str:id>/loans/<str:project>",
        CredentialDeedViewSet.as_view({"delete": "take_back"}),
        name="api-credential-loan",
    ),
    path("tables", TableViewSet.as_view(LIST), name="api-tables"),
    path("tables/<str:id>", TableViewSet.as_view(ONE), name="api-table"),
    path("tables/<str:id>/rows", RowViewSet.as_view({"get": "page", "post": "bulk"}), name="api-table-rows"),
    path(
        "tables/<str:id>/rows/<path:row>",
        RowViewSet.as_view({"get": "one", "put": "replace", "delete": "remove"}),
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
