"""Incidents: equal failures taken together; to take them and to put them aside."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.parameters import of_flag, of_id_or_key, of_time, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.models import Role
from runs.api.bodies import DismissSerializer
from runs.api.bulk import bulk_answer
from runs.api.bulk_serializers import BulkDetailSerializer
from runs.api.repeats import repeat_header, repeated
from runs.api.serializers import IncidentSerializer
from runs.bulk import Chosen, Order, bulk_begin
from runs.incidents import incident_dismiss, incident_take, incident_untake
from runs.models import BulkOperation, Deed, Incident, Run
from runs.models.incident import IncidentKind
from triggers.api.parsing import DocumentParser


@extend_schema_view(
    list=extend_schema(summary="Incidents, newest first", tags=["incidents"]),
    retrieve=extend_schema(
        summary="One incident", tags=["incidents"], responses={200: IncidentSerializer, **not_found}
    ),
)
class IncidentViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Incident]):
    queryset = Incident.objects.select_related("taken_by")
    serializer_class = IncidentSerializer
    parser_classes = (DocumentParser,)
    parameters = (
        of_flag("open", "Only those that go on, or only closed ones.", path="closed_at__isnull"),
        of_words("kind", "Of this kind.", path="kind", words=IncidentKind.values),
        of_id_or_key("job", "Of this job, by id or key.", path="job"),
        of_time("opened_after", "Opened after this time.", path="opened_at__gt"),
        of_time("opened_before", "Opened before this time.", path="opened_at__lt"),
    )
    needs = dict.fromkeys(("take", "untake", "dismiss", "retry"), Role.OPERATOR)

    @extend_schema(
        operation_id="incidents_take",
        summary="Take it",
        description="Others see that somebody looks after it.",
        tags=["incidents"],
        request=None,
        responses={200: IncidentSerializer, **not_found, **not_now},
    )
    def take(self, request: Request, id: str) -> Response:
        self.nothing_given()
        incident_take(incident=self.get_object(), by=self.actor)
        return Response(self._whole(self.get_object()))

    @extend_schema(
        operation_id="incidents_untake",
        summary="Give it back",
        description="Others see that nobody looks after it any more.",
        tags=["incidents"],
        request=None,
        responses={200: IncidentSerializer, **not_found, **not_now},
    )
    def untake(self, request: Request, id: str) -> Response:
        self.nothing_given()
        incident_untake(incident=self.get_object(), by=self.actor)
        return Response(self._whole(self.get_object()))

    @extend_schema(
        operation_id="incidents_retry",
        summary="Retry all that failed in it",
        description="A bulk operation over its failures that nobody has retried, caught or put aside. "
        "`GET runs?incident=…` lists them.",
        tags=["incidents"],
        parameters=[repeat_header()],
        request=None,
        responses={202: BulkDetailSerializer, **not_found, **not_now},
    )
    def retry(self, request: Request, id: str) -> Response:
        self.nothing_given()
        rows = Run.objects.filter(incident=self.get_object())
        order = Order(deed=Deed.RETRY, chosen=Chosen(rows=rows))
        made, again = repeated(self, lambda: bulk_begin(project=self.project, order=order, by=self.actor))
        operation = BulkOperation.objects.get(pk=made, project=self.project)
        return bulk_answer(operation, context=self.get_serializer_context(), again=again)

    @extend_schema(
        operation_id="incidents_dismiss",
        summary="Put it aside",
        description="Its failures no longer count, and it closes with the reason given.",
        tags=["incidents"],
        request=DismissSerializer,
        responses={200: IncidentSerializer, **bad_body, **not_found, **not_now},
        examples=[OpenApiExample("A test", value={"reason": "We were testing."}, request_only=True)],
    )
    def dismiss(self, request: Request, id: str) -> Response:
        values = self.given(DismissSerializer)
        reason = values["reason"]
        incident_dismiss(incident=self.get_object(), by=self.actor, reason=reason)
        return Response(self._whole(self.get_object()))
