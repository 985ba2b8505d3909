"""Bulk operations: begin one, see how far it is, cancel it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.pagination import PAGE_SIZE, next_address, page_response, page_size
from openfn_platform.common.parameters import BadParameter, of_words, whole_number
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped
from runs.api.bulk_serializers import (
    BulkCountSerializer,
    BulkDetailSerializer,
    BulkItemPageSerializer,
    BulkItemSerializer,
    BulkOrderSerializer,
    BulkSerializer,
)
from runs.api.chosen import filtered, jobs_of
from runs.api.messages import MessageViewSet
from runs.api.repeats import repeat_header, repeated
from runs.api.runs import RunViewSet
from runs.bulk import Chosen, Order, bulk_begin, bulk_cancel, bulk_count
from runs.bulk_following import MOST_EQUAL_FAILURES
from runs.models import BulkItem, BulkOperation, BulkState, Deed, ItemState, Run
from runs.models.bulk import MOST_UNDER_WAY
from runs.selectors.bulk import CAME as CAME_OF
from triggers.api.parsing import DocumentParser
from triggers.models import Message

AFTER = "after"
STATE = "state"
CAME = "came"
LARGEST_PAGE = 1_000
LAST = 2**31 - 1


@extend_schema_view(
    list=extend_schema(summary="Bulk operations, newest first", tags=["bulk"]),
    retrieve=extend_schema(
        summary="One bulk operation: how far it is, and why things failed",
        tags=["bulk"],
        responses={200: BulkDetailSerializer, **not_found},
    ),
)
class BulkViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[BulkOperation]):
    queryset = BulkOperation.objects.all()
    serializer_class = BulkSerializer
    shows = {"retrieve": BulkDetailSerializer}
    parser_classes = (DocumentParser,)
    parameters = (
        of_words("deed", "That do this.", path="deed", words=Deed.values),
        of_words("state", "In these states.", path="state", words=BulkState.values),
    )
    needs = {"create": Role.OPERATOR, "cancel": Role.OPERATOR}
    takes = {"items": (AFTER, PAGE_SIZE, STATE, CAME)}

    @extend_schema(
        operation_id="bulk_create",
        summary="Do something to many runs or messages",
        description="Chosen by `ids`, or by `filter` with the names that the list of runs (or messages, for "
        "`reprocess`) takes; of a filter only those are touched that the deed applies to. With `dry_run` it is only "
        "counted. Otherwise it is begun, and workers do it one by one in order of arrival: ask its address how far "
        "they are. A repeat with the same Idempotency-Key begins nothing new.\n\nWhat makes runs (`retry`, "
        f"`reprocess`) has at most about {MOST_UNDER_WAY} of them under way at once and is done when they have ended. "
        f"When {MOST_EQUAL_FAILURES} of them failed in the same way, it stops by itself and leaves the rest as it is; "
        "with `one_first` it also stops when the very first one fails.",
        tags=["bulk"],
        parameters=[repeat_header()],
        request=BulkOrderSerializer,
        responses={
            200: OpenApiResponse(BulkCountSerializer, description="Only counted, because of `dry_run`."),
            202: OpenApiResponse(BulkDetailSerializer, description="Begun."),
            **bad_body,
            **not_found,
            **not_now,
        },
        examples=[
            OpenApiExample(
                "How many failed since Monday?",
                value={
                    "deed": "retry",
                    "filter": {"job": "register-patient", "inserted_after": "2026-01-26T00:00:00Z"},
                    "dry_run": True,
                },
                request_only=True,
            ),
            OpenApiExample(
                "Retry them, one first",
                value={"deed": "retry", "filter": {"job": "register-patient"}, "one_first": True},
                request_only=True,
            ),
            OpenApiExample(
                "Dismiss two",
                value={
                    "deed": "dismiss",
                    "ids": [
                        "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                        "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c",
                    ],
                    "reason": "Entered by hand.",
                },
                request_only=True,
            ),
            OpenApiExample(
                "Start what nobody listened to",
                value={
                    "deed": "reprocess",
                    "filter": {"matched": "false"},
                    "jobs": ["0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"],
                },
                request_only=True,
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(BulkOrderSerializer)
        order = self._order(values)
        if values["dry_run"]:
            counted = bulk_count(project=self.project, order=order, by=self.actor)
            return Response(BulkCountSerializer({"deed": order.deed, **vars(counted)}).data)
        return self.begun(order)

    def begun(self, order: Order) -> Response:
        made, again = repeated(self, lambda: bulk_begin(project=self.project, order=order, by=self.actor))
        operation = BulkOperation.objects.get(pk=made, project=self.project)
        return bulk_answer(operation, context=self.get_serializer_context(), again=again)

    def _order(self, values: Mapping[str, Any]) -> Order:
        deed = Deed(values["deed"])
        messages = deed == Deed.REPROCESS
        view: Any = MessageViewSet if messages else RunViewSet
        model: Any = Message if messages else Run
        rows = None
        if "filter" in values:
            rows = filtered(scoped(model.objects.all(), self.actor), view.parameters, values["filter"])
        return Order(
            deed=deed,
            chosen=Chosen(ids=tuple(values.get("ids", ())), rows=rows),
            reason=values.get("reason", ""),
            same_code=values.get("same_code", False),
            jobs=tuple(jobs_of(self, values.get("jobs", ()))),
            one_first=values.get("one_first", False),
        )

    @extend_schema(
        operation_id="bulk_items",
        summary="What came of each",
        tags=["bulk"],
        parameters=[
            OpenApiParameter(AFTER, int, description="Those behind this `position`."),
            OpenApiParameter(PAGE_SIZE, int, description=f"At most {LARGEST_PAGE:,}; usually 50."),
            OpenApiParameter(STATE, str, enum=ItemState.values, description="Only those in this state."),
            OpenApiParameter(CAME, str, enum=list(CAME_OF), description="Only those of which this came."),
        ],
        responses={200: BulkItemPageSerializer, **not_found},
    )
    def items(self, request: Request, id: str) -> Response:
        operation = self.get_object()
        size = page_size(request, largest=LARGEST_PAGE)
        rows = BulkItem.objects.filter(operation=operation)
        after = request.query_params.get(AFTER)
        if after is not None:
            rows = rows.filter(position__gt=whole_number(AFTER, after, least=0, most=LAST))
        state = request.query_params.get(STATE)
        if state is not None:
            one = of_words(STATE, "", path="state", words=ItemState.values)
            rows = rows.filter(**one.read(state))
        came = request.query_params.get(CAME)
        if came is not None:
            if came not in CAME_OF:
                raise BadParameter(f"`{CAME}` must be one of: {', '.join(CAME_OF)}.", field=CAME)
            rows = rows.filter(CAME_OF[came][1])
        page = list(rows.order_by("position")[: size + 1])
        more = len(page) > size
        page = page[:size]
        following = next_address(request, **{AFTER: str(page[-1].position)}) if more else None
        return page_response(list(BulkItemSerializer(page, many=True).data), following)

    @extend_schema(
        operation_id="bulk_cancel",
        summary="Stop it",
        description="What is done stays done; the rest is left as it is.",
        tags=["bulk"],
        request=None,
        responses={200: BulkDetailSerializer, **not_found, **not_now},
    )
    def cancel(self, request: Request, id: str) -> Response:
        self.nothing_given()
        bulk_cancel(operation=self.get_object(), by=self.actor)
        shown = BulkDetailSerializer(self.get_object(), context=self.get_serializer_context())
        return Response(shown.data)


def bulk_answer(operation: BulkOperation, *, context: dict[str, Any], again: bool = False) -> Response:
    """202, with the operation and its address."""
    headers = {"Location": reverse("api-bulk-one", kwargs={"id": operation.pk})}
    if again:
        headers["Idempotency-Replayed"] = "true"
    return Response(BulkDetailSerializer(operation, context=context).data, status=202, headers=headers)
