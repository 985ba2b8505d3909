"""Starting a job by the API."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from openfn_platform.common.errors import NotFound
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped
from runs.api.runs import run_made
from runs.api.serializers import RunSerializer, StartSerializer
from runs.models import Cause, Run
from runs.starting import Input, job_start
from triggers.api.parsing import DocumentParser
from triggers.models import Message


class JobStartView(ProjectViewSet[Job]):
    queryset = Job.objects.select_related("live_version")
    serializer_class = StartSerializer
    parser_classes = (DocumentParser,)
    needs = {"run": Role.OPERATOR}

    @extend_schema(
        operation_id="jobs_run",
        summary="Start it",
        description="Makes a work order with one run of this job, also when the job is off.",
        tags=["jobs"],
        request=StartSerializer,
        responses={201: RunSerializer, **bad_body, **not_found, **not_now},
        examples=[
            OpenApiExample("With data", value={"data": {"patient": 7}}, request_only=True),
            OpenApiExample(
                "With a message", value={"message": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"}, request_only=True
            ),
        ],
    )
    def run(self, request: Request, id: str) -> Response:
        job = self.get_object()
        wanted = StartSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        run = job_start(job=job, given=self._input(wanted.validated_data), cause=Cause.API, by=self.actor)
        return run_made(run)

    def _input(self, values: dict[str, Any]) -> Input:
        return Input(
            message=self._message(values["message"]) if "message" in values else None,
            run=self._run(values["run"]) if "run" in values else None,
            data=values.get("data"),
            state=values.get("state"),
        )

    def _message(self, key: uuid.UUID) -> Message:
        message = scoped(Message.objects.select_related("payload"), self.actor).filter(pk=key).first()
        if message is None:
            raise NotFound("There is no message by that id.")
        return message

    def _run(self, key: uuid.UUID) -> Run:
        run = scoped(Run.objects.all(), self.actor).filter(pk=key).first()
        if run is None:
            raise NotFound("There is no run by that id.")
        return run
