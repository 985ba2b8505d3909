"""Work orders: one event in one workflow, with all the runs that came of it."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.parameters import of_id, of_id_or_key, of_time, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now
from openfn_platform.projects.models import Role
from runs.api.runs import RunViewSet
from runs.api.serializers import WorkOrderDetailSerializer, WorkOrderSerializer
from runs.cancelling import work_order_cancel
from runs.models import Cause, WorkOrder, WorkOrderState
from triggers.api.parsing import DocumentParser

WHOLE = ("retrieve", "cancel")  # with the runs


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
    shows = dict.fromkeys(WHOLE, WorkOrderDetailSerializer)
    parser_classes = (DocumentParser,)
    parameters = (
        of_words("state", "In these states.", path="state", words=WorkOrderState.values),
        of_words("cause", "Begun so.", path="cause", words=Cause.values),
        of_id_or_key("workflow", "In this workflow, by id or key.", path="workflow"),
        of_id("message", "Begun by this message.", path="message_id"),
        of_time("inserted_after", "Made after this time.", path="created_at__gt"),
        of_time("inserted_before", "Made before this time.", path="created_at__lt"),
    )

    needs = {"cancel": Role.OPERATOR}

    def get_queryset(self) -> QuerySet[WorkOrder]:
        orders = super().get_queryset()
        if self.action in WHOLE and (self.wanted is None or "runs" in self.wanted):
            orders = orders.prefetch_related(
                Prefetch("runs", RunViewSet.queryset.order_by("lane", "attempt"))
            )
        return orders

    @extend_schema(
        operation_id="work_orders_cancel",
        summary="Cancel everything of it",
        description="200: all its runs have ended. 202: some were running and their workers have been asked to stop "
        "them; nothing follows from these any more, however they end.",
        tags=["work-orders"],
        request=None,
        responses={200: WorkOrderDetailSerializer, 202: WorkOrderDetailSerializer, **not_found, **not_now},
    )
    def cancel(self, request: Request, id: str) -> Response:
        self.nothing_given()
        order = self.get_object()
        at_once = work_order_cancel(order=order, by=self.actor)
        return Response(self._whole(self.get_object()), status=200 if at_once else 202)
