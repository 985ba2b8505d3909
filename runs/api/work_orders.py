"""Work orders: one event in one workflow, with all the runs that came of it."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.serializers import BaseSerializer

from openfn_platform.common.parameters import of_id, of_id_or_key, of_time, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found
from runs.api.runs import RunViewSet
from runs.api.serializers import WorkOrderDetailSerializer, WorkOrderSerializer
from runs.models import Cause, WorkOrder, WorkOrderState


@extend_schema_view(
    list=extend_schema(summary="Work orders, newest first", tags=["work-orders"]),
    retrieve=extend_schema(
        summary="One work order with its runs",
        tags=["work-orders"],
        responses={200: WorkOrderDetailSerializer, **not_found},
    ),
)
class WorkOrderViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[WorkOrder]):
    queryset = WorkOrder.objects.all()
    serializer_class = WorkOrderSerializer
    parameters = (
        of_words("state", "In these states.", path="state", words=WorkOrderState.values),
        of_words("cause", "Begun so.", path="cause", words=Cause.values),
        of_id_or_key("workflow", "In this workflow, by id or key.", path="workflow"),
        of_id("message", "Begun by this message.", path="message_id"),
        of_time("inserted_after", "Made after this time.", path="created_at__gt"),
        of_time("inserted_before", "Made before this time.", path="created_at__lt"),
    )

    def get_queryset(self) -> QuerySet[WorkOrder]:
        orders = super().get_queryset()
        if self.action == "retrieve":
            orders = orders.prefetch_related(
                Prefetch("runs", RunViewSet.queryset.order_by("lane", "attempt"))
            )
        return orders

    def get_serializer_class(self) -> type[BaseSerializer[WorkOrder]]:
        return WorkOrderDetailSerializer if self.action == "retrieve" else WorkOrderSerializer
