"""Jobs: listed, made, changed, switched, put away. Starting one is in `runs.api`, on the floor where runs are."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.serializers import JobChangeSerializer, JobMakeSerializer, JobSerializer
from jobs.api.workflows import ARCHIVED
from jobs.editing import job_archive, job_change, job_create, job_switch
from jobs.models import Job, JobState, Workflow
from openfn_platform.common.parameters import of_id_or_key, of_words
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.models import Role

# Of the versions only their numbers are shown.
_HEAVY = ("code", "settings", "findings")
_LEFT_OUT = [f"{version}__{column}" for version in ("live_version", "latest_version") for column in _HEAVY]


@extend_schema_view(
    list=extend_schema(summary="Jobs, newest first", tags=["jobs"]),
    retrieve=extend_schema(summary="One job", tags=["jobs"], responses={200: JobSerializer, **not_found}),
)
class JobViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Job]):
    queryset = Job.objects.select_related("live_version", "latest_version").defer(*_LEFT_OUT)
    serializer_class = JobSerializer
    parameters = (
        of_id_or_key("workflow", "Jobs of this workflow, by id or key.", path="workflow"),
        of_words("state", "Switched so.", path="state", words=JobState.values),
        ARCHIVED,
    )
    needs = {"create": Role.EDITOR, "partial_update": Role.OPERATOR, "destroy": Role.EDITOR}
    address = "api-job"

    @extend_schema(
        summary="Make a job",
        description="It is off and has no code yet: put a draft, make it live, switch it on.",
        tags=["jobs"],
        request=JobMakeSerializer,
        responses={201: JobSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample("In a workflow", value={"name": "Register patient", "workflow": "registrations"}),
            OpenApiExample("One at a time", value={"name": "Send SMS", "max_concurrency": 1}),
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(JobMakeSerializer)
        if "workflow" in values:
            values["workflow"] = self.named(Workflow.objects.all(), values["workflow"], field="workflow")
        return self.shown(job_create(project=self.project, by=self.actor, **values), status=201)

    @extend_schema(
        summary="Change or switch a job",
        description="Its code, connections, settings and limits are changed by a new draft.",
        tags=["jobs"],
        request=JobChangeSerializer,
        responses={200: JobSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample("Pause it", value={"state": "paused"}),
            OpenApiExample("Another name", value={"name": "Register patient or newborn"}),
        ],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values = self.given(JobChangeSerializer)
        state = values.pop("state", None)
        with self.holding() as job:
            if values or state is None or JobState.OFF in (state, job.state):
                scope_require(token=self.token, role=Role.EDITOR)
            self._change(job, state, values)
        return self.shown(job)

    def _change(self, job: Job, state: str | None, values: dict[str, Any]) -> None:
        if values:
            job_change(job=job, by=self.actor, **values)
        if state is not None:
            job_switch(job=job, state=JobState(state), by=self.actor)

    @extend_schema(
        summary="Put a job away",
        description="It starts no more; its runs and versions are kept.",
        tags=["jobs"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        with self.holding() as job:
            job_archive(job=job, by=self.actor)
        return Response(status=204)
