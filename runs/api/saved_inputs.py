"""Saved inputs: list, save, read, delete."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.models import Role
from runs.api.bodies import SaveInputSerializer
from runs.api.inputs import input_of
from runs.api.raw import state_answer
from runs.api.serializers import SavedInputSerializer
from runs.models import State, StateKind
from runs.saved_inputs import input_delete, input_save
from triggers.api.parsing import DocumentParser


@extend_schema_view(
    list=extend_schema(summary="Saved inputs, newest first", tags=["saved-inputs"]),
    retrieve=extend_schema(
        summary="One saved input",
        tags=["saved-inputs"],
        responses={200: SavedInputSerializer, **not_found},
    ),
)
class SavedInputViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[State]):
    queryset = State.objects.filter(kind=StateKind.SAVED).defer("body")
    serializer_class = SavedInputSerializer
    parser_classes = (DocumentParser,)
    needs = {"create": Role.OPERATOR, "destroy": Role.OPERATOR}
    shows_data = frozenset({"state"})
    guarded = frozenset()  # it never changes, so nobody's change can be lost

    @extend_schema(
        summary="Save an input",
        description="Copied from what is given: it stays when the message or the run is gone.",
        tags=["saved-inputs"],
        request=SaveInputSerializer,
        responses={201: SavedInputSerializer, **bad_body, **not_found, **not_now},
        examples=[
            OpenApiExample(
                "Of a run",
                value={"name": "a birth", "run": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"},
                request_only=True,
            ),
            OpenApiExample("Pasted", value={"name": "no sex given", "data": {"form": {}}}, request_only=True),
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(SaveInputSerializer)
        name = values.pop("name")
        kept = input_save(project=self.project, name=name, given=input_of(self, values), by=self.actor)
        headers = {"Location": reverse("api-saved-input", kwargs={"id": kept.pk})}
        return Response(SavedInputSerializer(kept).data, status=201, headers=headers)

    @extend_schema(
        summary="Delete it",
        description="Runs that were started with it keep their inputs.",
        tags=["saved-inputs"],
        request=None,
        responses={204: None, **not_found},
    )
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.nothing_given()
        input_delete(saved=self.get_object(), by=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="saved_inputs_state",
        summary="The state itself",
        tags=["saved-inputs"],
        responses={
            200: OpenApiResponse(
                response=OpenApiTypes.OBJECT,
                description="The JSON text as it is stored; ETag is its SHA-256.",
            ),
            **not_found,
        },
    )
    def state(self, request: Request, id: str) -> HttpResponseBase:
        saved = self.get_object()
        answer = state_answer(request=request, project_id=saved.project_id, state_id=saved.pk)
        if answer.status_code == 200:
            payload_opened(self.actor, project=self.project, target=saved, part="saved input")
        return answer
