"""Credentials: listed, made, changed, tried, put away. They are tried before they are stored.

Who may read sees that they are there and whether they work. Their harmless values are shown to who may change them,
their secrets to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, F, Prefetch, Q, QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from jobs.api.credential_serializers import (
    ENVIRONMENT,
    CredentialChangeSerializer,
    CredentialDetailSerializer,
    CredentialMakeSerializer,
    CredentialSerializer,
    UndoSerializer,
)
from jobs.api.workflows import ARCHIVED
from jobs.credential_tests import Tested, TestFailed, credential_try_change, credential_try_new
from jobs.credential_values import spec_of
from jobs.credentials import credential_archive, credential_change, credential_create, credential_rename
from jobs.credentials import credential_visible as visible_of
from jobs.expiring import credential_expiry_set
from jobs.models import Credential, CredentialBody, ProjectCredential
from jobs.oauth import connection_of
from jobs.undoing import credential_undo
from openfn_platform.common.errors import NotAllowed
from openfn_platform.common.parameters import BadParameter, Parameter
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, not_now, put_away, unusable
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped

WHERE = "environment"
_VALUES = {
    "instanceUrl": "https://openmrs.example/openmrs",
    "username": "integration",
    "password": "what nobody reads again",
}
_ADAPTOR = Parameter(name="adaptor", about="For this adaptor.", read=lambda text: {"adaptor": text})
_TRIED = (
    "The values are tried at the partner's before anything is stored. Where that fails the answer is 409 "
    "`test_failed`, unless `save_anyway` says why they are to be stored all the same."
)


class NotOurs(NotAllowed):
    """This credential belongs to another project, which lends it to yours; it is changed there."""

    code = "lent"


def _counted(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    lent = Q(lent_to__ended_at=None) & ~Q(lent_to__project=F("project"))
    return rows.annotate(lent=Count("lent_to", filter=lent))


def _with_bodies(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    bodies = CredentialBody.objects.defer("ciphertext").order_by("environment")
    return rows.prefetch_related(Prefetch("bodies", bodies))


class CredentialRows(ProjectViewSet[Credential]):
    """Those of the project and those that are lent to it."""

    queryset = Credential.objects.select_related("project")
    serializer_class: Any = CredentialSerializer
    address = "api-credential"

    def get_queryset(self) -> QuerySet[Credential]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return Credential.objects.none()
        links = scoped(ProjectCredential.objects.filter(ended_at=None), self.actor)
        rows = Credential.objects.select_related("project").filter(pk__in=links.values("credential"))
        return self._loaded(rows)

    def own(self) -> Credential:
        """The one that the address names, which only its own project changes."""
        credential = self.get_object()
        if credential.project_id != self.project.pk:
            raise NotOurs()
        return credential


@extend_schema_view(
    list=extend_schema(
        summary="Credentials, newest first",
        description="The project's own and those that other projects lend to it.",
        tags=["credentials"],
    ),
    retrieve=extend_schema(
        summary="One credential, without its secrets",
        tags=["credentials"],
        parameters=[
            OpenApiParameter(WHERE, str, description="Whose values are told; usually the project's own.")
        ],
        responses={200: CredentialDetailSerializer, **not_found},
    ),
)
class CredentialViewSet(ListModelMixin, RetrieveModelMixin, CredentialRows):
    shows = {"retrieve": CredentialDetailSerializer}
    loads = {"lent": _counted, "environments": _with_bodies, "tests": _with_bodies}
    # What follows from the rest, or from who asks; and tests, which change nothing.
    volatile = frozenset({"tests", "environment", "values", "secrets_set", "connected"})
    parameters = (_ADAPTOR, ARCHIVED)
    takes = {"retrieve": (WHERE,)}
    # Tokens that may deploy stand for administrators here; the verbs ask for exactly that.
    needs = {
        "create": Role.EDITOR,
        "partial_update": Role.EDITOR,
        "destroy": Role.EDITOR,
        "undo": Role.EDITOR,
    }

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        credential = self.get_object()
        return Response(self.get_serializer(credential, context=self._context(credential)).data)

    @extend_schema(
        summary="Make a credential",
        description=_TRIED,
        tags=["credentials"],
        request=CredentialMakeSerializer,
        responses={201: CredentialDetailSerializer, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "For OpenMRS",
                request_only=True,
                value={"name": "OpenMRS of the clinic", "adaptor": "openmrs", "values": _VALUES},
            ),
            OpenApiExample(
                "The partner is away",
                request_only=True,
                value={
                    "name": "OpenMRS of the clinic",
                    "adaptor": "openmrs",
                    "values": _VALUES,
                    "save_anyway": "The clinic is offline until Monday.",
                },
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        given = self.given(CredentialMakeSerializer)
        adaptor, values, reason = given["adaptor"], given["values"], given.pop("save_anyway", "")
        _names_check(adaptor, values)
        tested = credential_try_new(project=self.project, adaptor=adaptor, values=values, by=self.actor)
        made = credential_create(
            project=self.project, by=self.actor, tested=tested, reason=_reason(tested, reason), **given
        )
        return self.shown(made, status=201)

    @extend_schema(
        summary="Change a credential",
        description=f"{_TRIED} What was there before can be put back for a week.",
        tags=["credentials"],
        request=CredentialChangeSerializer,
        responses={200: CredentialDetailSerializer, **not_found, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "Another password", value={"values": {"password": "the new one"}}, request_only=True
            ),
            OpenApiExample("Its end", value={"expires_at": "2026-12-31T23:59:59+03:00"}, request_only=True),
        ],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        self.guard_require()
        given = self.given(CredentialChangeSerializer)
        credential = self.own()
        self.guard_of(credential)()  # before the partner is asked, which may take its time
        change = {name: given[name] for name in ("values", "clear", "environment") if name in given}
        tested, reason = None, ""
        if "values" in change or "clear" in change:
            change.setdefault("values", {})
            _names_check(credential.adaptor, {**change["values"], **dict.fromkeys(change.get("clear", ()))})
            tested = credential_try_change(credential=credential, by=self.actor, **change)
            reason = _reason(tested, given.get("save_anyway", ""))
        with self.holding() as credential:
            if "values" in change:
                credential_change(
                    credential=credential, by=self.actor, tested=tested, reason=reason, **change
                )
            if "name" in given:
                credential_rename(credential=credential, name=given["name"], by=self.actor)
            if "expires_at" in given:
                credential_expiry_set(credential=credential, expires_at=given["expires_at"], by=self.actor)
        return self.shown(credential)

    @extend_schema(
        summary="Put a credential away",
        description="It opens nothing any more. Refused while live jobs use it.",
        tags=["credentials"],
        responses={**put_away, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        self.own()
        with self.holding() as credential:
            credential_archive(credential=credential, by=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="credentials_undo",
        summary="Put earlier values back",
        description="They take the place of the present ones, which are kept for a week in their turn.",
        tags=["credentials"],
        request=UndoSerializer,
        responses={200: CredentialDetailSerializer, **not_found, **not_now},
        examples=[OpenApiExample("The newest", value={}, request_only=True)],
    )
    def undo(self, request: Request, id: str) -> Response:
        values = self.given(UndoSerializer)
        earlier = values.get("earlier")
        self.own()
        with self.holding() as credential:
            credential_undo(
                credential=credential,
                by=self.actor,
                environment=values.get("environment"),
                earlier=None if earlier is None else str(earlier),
            )
        return self.shown(credential)

    def _whole(self, row: Credential) -> Any:
        return CredentialDetailSerializer(row, context=self._context(row)).data

    def _context(self, credential: Credential) -> dict[str, Any]:
        """What of the values may be told to who asks."""
        where = self.request.query_params.get(WHERE, self.project.environment)
        if len(where) > ENVIRONMENT:
            raise BadParameter(f"`{WHERE}` has at most {ENVIRONMENT} characters.", field=WHERE)
        context = {**self.get_serializer_context(), "environment": where, "visible": None, "connection": None}
        owned = credential.project_id == self.project.pk
        if not owned or credential.archived_at is not None or not self.actor.may_connect(self.project):
            return context
        return {
            **context,
            "visible": visible_of(credential=credential, environment=where),
            "connection": connection_of(credential=credential, environment=where),
        }


def _names_check(adaptor: str, values: Mapping[str, Any]) -> None:
    """A misspelt name would be stored, and what it should have been would be missing."""
    known = spec_of(adaptor).schema.get("properties", {})
    unknown = [name for name in values if name not in known]
    if unknown:
        shown = "".join(each if each.isprintable() else "�" for each in unknown[0][:40])
        sentence = f"A credential for {adaptor} has no “{shown}”; it has: {', '.join(known)}."
        raise ValidationError({"values": {shown: [sentence]}})


def _reason(tested: Tested | None, reason: str) -> str:
    """Why it is stored although its test failed; refused where there is no reason."""
    if tested is None or tested.ok:
        return ""
    if not reason.strip():
        raise TestFailed(
            f"{tested.sentence} Nothing was stored: correct the values, or say in `save_anyway` why they are to be "
            "stored all the same."
        )
    return reason
