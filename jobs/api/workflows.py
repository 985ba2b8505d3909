"""Workflows: listed, made, changed, put away."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.serializers import WorkflowChangeSerializer, WorkflowMakeSerializer, WorkflowSerializer
from jobs.models import Workflow
from jobs.workflows import workflow_archive, workflow_create, workflow_rename
from openfn_platform.common.parameters import of_flag
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role

ARCHIVED = of_flag(
    "archived",
    "Those that were put away instead of those in use.",
    path="archived_at__isnull",
    reverse=True,
    usual="false",
)


@extend_schema_view(
    list=extend_schema(summary="Workflows, newest first", tags=["workflows"]),
    retrieve=extend_schema(
        summary="One workflow", tags=["workflows"], responses={200: WorkflowSerializer, **not_found}
    ),
)
class WorkflowViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Workflow]):
    queryset = Workflow.objects.all()
    serializer_class = WorkflowSerializer
    parameters = (ARCHIVED,)
    needs = {"create": Role.EDITOR, "partial_update": Role.EDITOR, "destroy": Role.EDITOR}
    address = "api-workflow"

    @extend_schema(
        summary="Make a workflow",
        tags=["workflows"],
        request=WorkflowMakeSerializer,
        responses={201: WorkflowSerializer, **unusable},
        examples=[OpenApiExample("A new one", value={"name": "Registrations"}, request_only=True)],
    )
    def create(self, request: Request) -> Response:
        values = self.given(WorkflowMakeSerializer)
        return self.shown(workflow_create(project=self.project, by=self.actor, **values), status=201)

    @extend_schema(
        summary="Change a workflow",
        tags=["workflows"],
        request=WorkflowChangeSerializer,
        responses={200: WorkflowSerializer, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("Another name", value={"name": "Registrations 2026"}, request_only=True)],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values = self.given(WorkflowChangeSerializer)
        with self.holding() as workflow:
            workflow_rename(workflow=workflow, by=self.actor, **values)
        return self.shown(workflow)

    @extend_schema(
        summary="Put a workflow away",
        description="With its jobs and triggers: nothing in it starts any more. What happened in it is kept.",
        tags=["workflows"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as workflow:
            workflow_archive(workflow=workflow, by=self.actor)
        return Response(status=204)
