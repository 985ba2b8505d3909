"""Starting a job by the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from openfn_platform.common.errors import Invalid
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.models import Role
from runs.api.bodies import StartSerializer
from runs.api.inputs import input_of
from runs.api.repeats import repeat_header, repeated
from runs.api.runs import run_answer
from runs.api.serializers import RunSerializer
from runs.models import Cause, Run, RunMode
from runs.reprocessing import message_run
from runs.starting import NothingToRun, job_start
from triggers.api.parsing import DocumentParser


class JobStartView(ProjectViewSet[Job]):
    queryset = Job.objects.select_related("project", "live_version", "latest_version")
    serializer_class = StartSerializer
    parser_classes = (DocumentParser,)
    needs = {"run": Role.OPERATOR}

    @extend_schema(
        operation_id="jobs_run",
        summary="Start it",
        description="Makes a work order with one run of this job, also when the job is off. With a message, the run "
        "shows among those that the message started.",
        tags=["jobs"],
        parameters=[repeat_header()],
        request=StartSerializer,
        responses={201: RunSerializer, **bad_body, **not_found, **not_now},
        examples=[
            OpenApiExample("With data", value={"data": {"patient": 7}}, request_only=True),
            OpenApiExample(
                "With a message", value={"message": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}, request_only=True
            ),
            OpenApiExample(
                "What would it send?",
                value={"saved": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "mode": "dry"},
                request_only=True,
            ),
        ],
    )
    def run(self, request: Request, id: str) -> Response:
        job = self.get_object()
        values = self.given(StartSerializer)
        made, again = repeated(self, lambda: self._start(job, values))
        return run_answer(made, view=self, again=again)

    def _start(self, job: Job, values: Mapping[str, Any]) -> Run:
        mode = RunMode(values["mode"])
        given = input_of(self, values)
        if values["draft"]:
            scope_require(token=self.token, role=Role.EDITOR)
            if mode == RunMode.LIVE:
                raise Invalid("A draft runs with the mode `dry` or `trial` only.", field="draft")
            if job.latest_version is None:
                raise NothingToRun("This job has no version yet; save it first.")
        elif given.message is not None and mode == RunMode.LIVE:
            return message_run(message=given.message, job=job, by=self.actor, cause=Cause.API)
        return job_start(
            job=job,
            given=given,
            cause=Cause.API,
            by=self.actor,
            mode=mode,
            version=job.latest_version if values["draft"] else None,
        )
