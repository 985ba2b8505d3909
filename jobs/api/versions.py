"""The versions of a job: all of them, the difference between two, making one live, bringing one back."""

from __future__ import annotations

from difflib import unified_diff
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.drafts import nothing_yet
from jobs.api.serializers import JobSerializer
from jobs.api.version_serializers import (
    DifferenceSerializer,
    VersionDetailSerializer,
    VersionSerializer,
)
from jobs.editing import version_make_live, version_restore
from jobs.models import Job, JobVersion
from openfn_platform.common.errors import NotFound
from openfn_platform.common.parameters import whole_number
from openfn_platform.common.preconditions import precondition_check, tag_of
from openfn_platform.projects.api.base import ProjectViewSet, tagged
from openfn_platform.projects.api.described import not_found, not_now, unusable
from openfn_platform.projects.models import Role

AGAINST = "against"
_ID = OpenApiParameter("id", str, OpenApiParameter.PATH, description="Of the job.")
_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="Of the version: 1, 2, 3 …")


@extend_schema_view(
    list=extend_schema(
        operation_id="jobs_versions_list",
        summary="Its versions, newest first",
        tags=["jobs"],
        parameters=[_ID],
    ),
    retrieve=extend_schema(
        operation_id="jobs_versions_retrieve",
        summary="One version, with its code",
        tags=["jobs"],
        parameters=[_ID, _NUMBER],
        responses={200: VersionDetailSerializer, **not_found},
    ),
)
class VersionViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[JobVersion]):
    queryset = JobVersion.objects.select_related("author")
    serializer_class = VersionSerializer
    shows = {"retrieve": VersionDetailSerializer}
    needs = {"make_live": Role.EDITOR, "restore": Role.EDITOR}
    takes = {"difference": (AGAINST,)}

    @cached_property
    def job(self) -> Job:
        return self.named(Job.objects.all(), self.kwargs["id"], field="")

    def get_queryset(self) -> QuerySet[JobVersion]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return super().get_queryset()
        rows = super().get_queryset().filter(job=self.job)
        if self.action == "list":
            return rows.defer("code", "settings")
        return rows.prefetch_related("connections__credential")

    def get_object(self) -> JobVersion:
        text = self.kwargs["number"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        return self._numbered(number)

    def _numbered(self, number: int) -> JobVersion:
        version = self.get_queryset().filter(number=number).first()
        if version is None:
            raise NotFound()
        return version

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        return context if getattr(self, "swagger_fake_view", False) else {**context, "job": self.job}

    @extend_schema(
        operation_id="jobs_versions_make_live",
        summary="Make it live",
        description="Runs that start from now on take it. It is checked once more; `findings` of the refusal "
        "are its errors, with their lines. If-Match, where it is sent, is held against the job's ETag.",
        tags=["jobs"],
        parameters=[_ID, _NUMBER],
        request=None,
        responses={200: JobSerializer, **not_found, **not_now, **unusable},
    )
    def make_live(self, request: Request, id: str, number: str) -> Response:
        self.nothing_given()
        version_make_live(version=self.get_object(), by=self.actor, guard=self._as_seen)
        told = self._job_told()
        return tagged(Response(told), tag_of(told))

    def _as_seen(self) -> None:
        given = self.request.META.get("HTTP_IF_MATCH")
        if given is not None:
            precondition_check(given, tag_of(self._job_told()))

    def _job_told(self) -> Any:
        rows = Job.objects.select_related("live_version", "latest_version")
        return JobSerializer(rows.get(pk=self.job.pk)).data

    @extend_schema(
        operation_id="jobs_versions_restore",
        summary="Bring it back",
        description="Makes a draft that is like it.",
        tags=["jobs"],
        parameters=[_ID, _NUMBER],
        request=None,
        responses={201: VersionDetailSerializer, **not_found, **not_now, **unusable},
    )
    def restore(self, request: Request, id: str, number: str) -> Response:
        self.nothing_given()
        made = version_restore(version=self.get_object(), by=self.actor)
        data = VersionDetailSerializer(
            self._numbered(made.number), context=self.get_serializer_context()
        ).data
        where = reverse("api-job-version", kwargs={"id": self.job.pk, "number": made.number})
        return Response(data, status=201, headers={"Location": where})

    @extend_schema(
        operation_id="jobs_versions_difference",
        summary="What is different in it",
        tags=["jobs"],
        parameters=[
            _ID,
            _NUMBER,
            OpenApiParameter(AGAINST, int, description="Number of another version; usually the one before."),
        ],
        responses={200: DifferenceSerializer, **not_found},
    )
    def difference(self, request: Request, id: str, number: str) -> Response:
        after = self.get_object()
        given = request.query_params.get(AGAINST)
        against = after.number - 1 if given is None else whole_number(AGAINST, given, least=1, most=10**9)
        before = self._numbered(against) if against or given else nothing_yet()
        old, new = (self._plain(version) for version in (before, after))
        return Response(
            {
                "before": before.number or 0,
                "after": after.number,
                "code": _lines(before, after),
                "changes": [
                    {"field": name, "before": old.get(name), "after": new[name]}
                    for name in new
                    if old.get(name) != new[name]
                ],
            }
        )

    def _plain(self, version: JobVersion) -> dict[str, Any]:
        """What decides how a run behaves, but the code."""
        told = VersionDetailSerializer(version, context=self.get_serializer_context()).data
        grouped = {
            f"{group}.{name}": value for group in ("limits", "retry") for name, value in told[group].items()
        }
        return {**{name: told[name] for name in ("language", "connections", "settings")}, **grouped}


def _lines(before: JobVersion, after: JobVersion) -> str:
    lines = unified_diff(
        before.code.splitlines(),
        after.code.splitlines(),
        f"v{before.number or 0}",
        f"v{after.number}",
        lineterm="",
    )
    return "\n".join(lines)
