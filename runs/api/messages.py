"""Messages: what arrived, what it started, and why not more; their bodies for those who may see data."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import NotFound
from openfn_platform.common.parameters import of_flag, of_id, of_time
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.models import Role
from runs.api.bodies import ReprocessSerializer
from runs.api.chosen import jobs_of
from runs.api.raw import not_modified, raw_answer
from runs.api.runs import RunViewSet
from runs.api.serializers import MessageDetailSerializer, MessageSerializer, ReprocessedSerializer
from runs.models import WorkOrder
from runs.reprocessing import message_reprocess
from triggers.api.parsing import DocumentParser
from triggers.explaining import matching_explain
from triggers.models import Message, MessagePayload
from triggers.parsing import came_as_json

_BODY = OpenApiResponse(
    response=OpenApiTypes.OBJECT, description="The body byte for byte as it was sent; ETag is its SHA-256."
)


class BodyGone(NotFound):
    """The body of this message was erased: the project keeps no payloads, or none so old."""

    code = "body_gone"


@extend_schema_view(list=extend_schema(summary="Messages, newest first", tags=["messages"]))
class MessageViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Message]):
    queryset = Message.objects.prefetch_related(
        Prefetch("work_orders", WorkOrder.objects.only("message", "project"))
    ).defer("matching")
    serializer_class = MessageSerializer
    shows = {"retrieve": MessageDetailSerializer}
    parameters = (
        of_id("inbox", "That arrived at this inbox.", path="inbox_id"),
        of_flag("matched", "Only those that started something, or only those that did not.", path="matched"),
        of_time("received_after", "Received after this time.", path="created_at__gt"),
        of_time("received_before", "Received before this time.", path="created_at__lt"),
    )
    parser_classes = (DocumentParser,)
    needs = {"reprocess": Role.OPERATOR}
    shows_data = frozenset({"body"})

    @extend_schema(
        summary="One message, with what each trigger made of it",
        tags=["messages"],
        responses={200: MessageDetailSerializer, **not_found},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        message = self.get_object()
        reasons = self.actor.may_see_data(self.project)
        matching = matching_explain(message=message, reasons=reasons)
        if any(each.reasons for each in matching):  # they quote the body
            payload_opened(self.actor, project=self.project, target=message, part="why not")
        return Response(self.get_serializer(message, context={"matching": matching}).data)

    @extend_schema(
        operation_id="messages_body",
        summary="Its body",
        tags=["messages"],
        responses={200: _BODY, **not_found},
    )
    def body(self, request: Request, id: str) -> HttpResponseBase:
        message = self.get_object()
        digest = bytes(message.digest)
        payload = MessagePayload.objects.filter(message_id=message.pk)
        if message.body_wiped_at is not None or not payload.exists():
            raise BodyGone()
        unchanged = not_modified(request=request, digest=digest)
        if unchanged is not None:
            return unchanged
        found = payload.values_list("raw", flat=True).first()
        if found is None:
            raise BodyGone()
        raw = bytes(found)
        as_json = came_as_json(raw, message.content_type)
        payload_opened(self.actor, project=self.project, target=message, part="body")
        return raw_answer(
            chunks=[raw],
            size=len(raw),
            digest=digest,
            content_type="application/json" if as_json else message.content_type,
        )

    @extend_schema(
        operation_id="messages_reprocess",
        summary="Start jobs with it",
        description="For what the triggers missed. Left out are jobs that succeeded with this message already, or are "
        "on their way with it.",
        tags=["messages"],
        request=ReprocessSerializer,
        responses={200: ReprocessedSerializer, **bad_body, **not_found, **not_now},
        examples=[
            OpenApiExample(
                "One job", value={"jobs": ["0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"]}, request_only=True
            )
        ],
    )
    def reprocess(self, request: Request, id: str) -> Response:
        message = self.get_object()
        jobs = jobs_of(self, self.given(ReprocessSerializer)["jobs"])
        done = message_reprocess(message=message, jobs=jobs, by=self.actor)
        runs = RunViewSet.queryset.filter(pk__in=[run.pk for run in done.runs]).order_by("lane")
        told = {"runs": runs, "left_out": done.left_out}
        return Response(ReprocessedSerializer(told, context=self.get_serializer_context()).data)
