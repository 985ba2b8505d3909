"""What else there is about credentials: whether they work, what they were, who uses them, to whom they are lent."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.credential_serializers import (
    CredentialTestedSerializer,
    CredentialUserSerializer,
    CredentialUsersSerializer,
    EarlierListSerializer,
    EarlierSerializer,
    EnvironmentChosenSerializer,
    LendSerializer,
    LoanListSerializer,
    LoanSerializer,
)
from jobs.api.credentials import WHERE, CredentialRows
from jobs.credential_tests import credential_test
from jobs.lending import credential_lend, credential_unlend
from jobs.models import Job, ProjectCredential
from jobs.undoing import earlier_values
from jobs.usage import credential_drafted_by, credential_used_by
from openfn_platform.common.errors import Invalid, NotFound
from openfn_platform.common.models import as_uuid
from openfn_platform.common.pagination import page_response
from openfn_platform.projects.actors import Actor
from openfn_platform.projects.api.described import not_found, not_now, unusable
from openfn_platform.projects.models import Project, Role
from openfn_platform.projects.tokens import token_find


class BadConsent(Invalid):
    """This is no valid token of a project that could borrow it."""

    code = "invalid_token"


class CredentialDeedViewSet(CredentialRows):
    needs = {
        "test": Role.EDITOR,
        "earlier": Role.EDITOR,
        "loans": Role.EDITOR,
        "lend": Role.EDITOR,
        "take_back": Role.EDITOR,
    }
    takes = {"earlier": (WHERE,)}

    @extend_schema(
        operation_id="credentials_test",
        summary="Test it",
        description="Connects with it as a job of this project would, and keeps the result. Where that fails the "
        "answer is 409 `test_failed` with the partner's words.",
        tags=["credentials"],
        request=EnvironmentChosenSerializer,
        responses={200: CredentialTestedSerializer, **not_found, **not_now},
    )
    def test(self, request: Request, id: str) -> Response:
        values = self.given(EnvironmentChosenSerializer)
        said = credential_test(
            credential=self.get_object(),
            by=self.actor,
            environment=values.get("environment"),
            project=self.project,
        )
        return Response({"sentence": said})

    @extend_schema(
        operation_id="credentials_earlier",
        summary="Earlier values that can be put back",
        description="Those of the last seven days, newest first. What they are is not told.",
        tags=["credentials"],
        parameters=[OpenApiParameter(WHERE, str, description="Whose values; usually the project's own.")],
        responses={200: EarlierListSerializer, **not_found},
    )
    def earlier(self, request: Request, id: str) -> Response:
        where = request.query_params.get(WHERE, self.project.environment)
        rows = earlier_values(credential=self.own(), environment=where)
        return page_response(list(EarlierSerializer(rows, many=True).data), None)

    @extend_schema(
        operation_id="credentials_used_by",
        summary="Jobs that use it",
        tags=["credentials"],
        responses={200: CredentialUsersSerializer, **not_found},
    )
    def used_by(self, request: Request, id: str) -> Response:
        credential = self.get_object()
        live = credential_used_by(credential=credential)
        users = {job.pk: job for job in [*live, *credential_drafted_by(credential=credential)]}
        here = [job for job in users.values() if self._is_here(job)]
        elsewhere = sum(1 for job in live if not self._is_here(job))
        context = {"live": {job.pk for job in live}}
        return Response(
            {
                "jobs": CredentialUserSerializer(here, many=True, context=context).data,
                "elsewhere": elsewhere if credential.project_id == self.project.pk else None,
            }
        )

    def _is_here(self, job: Job) -> bool:
        return job.project_id == self.project.pk

    @extend_schema(
        operation_id="credentials_loans_list",
        summary="Projects that it is lent to",
        tags=["credentials"],
        responses={200: LoanListSerializer, **not_found},
    )
    def loans(self, request: Request, id: str) -> Response:
        credential = self.own()
        rows = ProjectCredential.objects.filter(credential=credential, ended_at=None)
        rows = rows.exclude(project=credential.project_id).order_by("pk")
        return page_response(list(LoanSerializer(rows, many=True).data), None)

    @extend_schema(
        operation_id="credentials_lend",
        summary="Lend it to another project",
        description="Its values stay here. The other project agrees by a token of its own that may read.",
        tags=["credentials"],
        request=LendSerializer,
        responses={200: LoanSerializer, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("With its token", value={"token": "ofp_…"}, request_only=True)],
    )
    def lend(self, request: Request, id: str) -> Response:
        given = self.given(LendSerializer)["token"]
        credential = self.own()
        consent = token_find(given)
        if consent is None:
            raise BadConsent(field="token")
        borrower: Project = consent.project
        if not Actor(token=consent).may(borrower, Role.VIEWER):
            raise BadConsent(field="token")
        link = credential_lend(
            credential=credential, project=borrower, by=self.actor, borrower=Actor(token=consent)
        )
        return Response(LoanSerializer(link).data)

    @extend_schema(
        operation_id="credentials_take_back",
        summary="Take it back from a project",
        description="Refused while a live job there uses it.",
        tags=["credentials"],
        parameters=[OpenApiParameter("project", str, OpenApiParameter.PATH, description="Its id.")],
        responses={204: None, **not_found, **not_now},
    )
    def take_back(self, request: Request, id: str, project: str) -> Response:
        credential = self.own()
        key: Any = as_uuid(project)
        loans = ProjectCredential.objects.filter(credential=credential, project=key, ended_at=None)
        link = loans.exclude(project=credential.project_id).select_related("project").first()
        if key is None or link is None:
            raise NotFound()
        credential_unlend(credential=credential, project=link.project, by=self.actor)
        return Response(status=204)
