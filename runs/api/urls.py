"""Addresses of what happened, below /api/v1/, and of the API's index."""

from typing import Any

from django.urls import path

from runs.api.bulk import BulkViewSet
from runs.api.exchanges import RunExchangeViewSet, SentViewSet
from runs.api.following import RunLogStreamViewSet
from runs.api.incidents import IncidentViewSet
from runs.api.index import IndexView, SchemaView
from runs.api.messages import MessageViewSet
from runs.api.runs import RunViewSet
from runs.api.saved_inputs import SavedInputViewSet
from runs.api.starting import JobStartView
from runs.api.work_orders import WorkOrderViewSet

LIST: dict[str, Any] = {"get": "list"}
ONE: dict[str, Any] = {"get": "retrieve"}

urlpatterns = [
    path("", IndexView.as_view(), name="api-index"),
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("runs", RunViewSet.as_view(LIST), name="api-runs"),
    path("runs/<str:id>", RunViewSet.as_view(ONE), name="api-run"),
    path("runs/<str:id>/log", RunViewSet.as_view({"get": "log"}), name="api-run-log"),
    path(
        "runs/<str:id>/log/stream",
        RunLogStreamViewSet.as_view({"get": "follow"}),
        name="api-run-log-stream",
    ),
    path("runs/<str:id>/input", RunViewSet.as_view({"get": "input"}), name="api-run-input"),
    path("runs/<str:id>/final-state", RunViewSet.as_view({"get": "final_state"}), name="api-run-final-state"),
    path("runs/<str:id>/retry", RunViewSet.as_view({"post": "retry"}), name="api-run-retry"),
    path("runs/<str:id>/cancel", RunViewSet.as_view({"post": "cancel"}), name="api-run-cancel"),
    path("runs/<str:id>/abort", RunViewSet.as_view({"post": "abort"}), name="api-run-abort"),
    path("runs/<str:id>/dismiss", RunViewSet.as_view({"post": "dismiss"}), name="api-run-dismiss"),
    path(
        "runs/<str:id>/exchanges",
        RunExchangeViewSet.as_view({"get": "exchanges"}),
        name="api-run-exchanges",
    ),
    path(
        "runs/<str:id>/exchanges/<str:seq>",
        RunExchangeViewSet.as_view({"get": "exchange"}),
        name="api-run-exchange",
    ),
    path("sent", SentViewSet.as_view(LIST), name="api-sent"),
    path("work-orders", WorkOrderViewSet.as_view(LIST), name="api-work-orders"),
    path("work-orders/<str:id>", WorkOrderViewSet.as_view(ONE), name="api-work-order"),
    path(
        "work-orders/<str:id>/cancel",
        WorkOrderViewSet.as_view({"post": "cancel"}),
        name="api-work-order-cancel",
    ),
    path("messages", MessageViewSet.as_view(LIST), name="api-messages"),
    path("messages/<str:id>", MessageViewSet.as_view(ONE), name="api-message"),
    path("messages/<str:id>/body", MessageViewSet.as_view({"get": "body"}), name="api-message-body"),
    path(
        "messages/<str:id>/reprocess",
        MessageViewSet.as_view({"post": "reprocess"}),
        name="api-message-reprocess",
    ),
    path(
        "saved-inputs",
        SavedInputViewSet.as_view({**LIST, "post": "create"}),
        name="api-saved-inputs",
    ),
    path(
        "saved-inputs/<str:id>",
        SavedInputViewSet.as_view({**ONE, "delete": "destroy"}),
        name="api-saved-input",
    ),
    path(
        "saved-inputs/<str:id>/state",
        SavedInputViewSet.as_view({"get": "state"}),
        name="api-saved-input-state",
    ),
    path("bulk", BulkViewSet.as_view({**LIST, "post": "create"}), name="api-bulk"),
    path("bulk/<str:id>", BulkViewSet.as_view(ONE), name="api-bulk-one"),
    path("bulk/<str:id>/items", BulkViewSet.as_view({"get": "items"}), name="api-bulk-items"),
    path("bulk/<str:id>/cancel", BulkViewSet.as_view({"post": "cancel"}), name="api-bulk-cancel"),
    path("jobs/<str:id>/run", JobStartView.as_view({"post": "run"}), name="api-job-run"),
    path("incidents", IncidentViewSet.as_view(LIST), name="api-incidents"),
    path("incidents/<str:id>", IncidentViewSet.as_view(ONE), name="api-incident"),
    path("incidents/<str:id>/take", IncidentViewSet.as_view({"post": "take"}), name="api-incident-take"),
    path(
        "incidents/<str:id>/untake",
        IncidentViewSet.as_view({"post": "untake"}),
        name="api-incident-untake",
    ),
    path(
        "incidents/<str:id>/retry",
        IncidentViewSet.as_view({"post": "retry"}),
        name="api-incident-retry",
    ),
    path(
        "incidents/<str:id>/dismiss",
        IncidentViewSet.as_view({"post": "dismiss"}),
        name="api-incident-dismiss",
    ),
]
