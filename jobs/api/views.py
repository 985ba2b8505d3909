"""Reading jobs and workflows. Starting a job is in `runs.api`, on the floor where runs are."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from jobs.api.serializers import JobSerializer, WorkflowSerializer
from jobs.models import Job, JobState, Workflow
from openfn_platform.common.parameters import of_flag, of_id_or_key, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found

ARCHIVED = of_flag(
    "archived",
    "Those that were put away instead of those in use.",
    path="archived_at__isnull",
    reverse=True,
    usual="false",
)


@extend_schema_view(
    list=extend_schema(summary="Workflows", tags=["workflows"]),
    retrieve=extend_schema(
        summary="One workflow", tags=["workflows"], responses={200: WorkflowSerializer, **not_found}
    ),
)
class WorkflowViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Workflow]):
    queryset = Workflow.objects.all()
    serializer_class = WorkflowSerializer
    parameters = (ARCHIVED,)


@extend_schema_view(
    list=extend_schema(summary="Jobs", tags=["jobs"]),
    retrieve=extend_schema(summary="One job", tags=["jobs"], responses={200: JobSerializer, **not_found}),
)
class JobViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Job]):
    queryset = Job.objects.select_related("live_version", "latest_version").only(
        "key", "name", "workflow", "project", "state", "live_version__number", "latest_version__number"
    )
    serializer_class = JobSerializer
    parameters = (
        of_id_or_key("workflow", "Jobs of this workflow, by id or key.", path="workflow"),
        of_words("state", "Switched so.", path="state", words=JobState.values),
        ARCHIVED,
    )
