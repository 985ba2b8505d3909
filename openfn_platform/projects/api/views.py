"""The token's project: settings, members, tokens, audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import Invalid
from openfn_platform.common.pagination import CURSOR, NewestFirst, next_address, page_size
from openfn_platform.common.parameters import (
    Parameter,
    of_flag,
    of_id,
    of_time,
    of_words,
    whole_number,
)
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now, unusable
from openfn_platform.projects.api.serializers import (
    AuditSerializer,
    MemberAddSerializer,
    MemberChangeSerializer,
    MemberSerializer,
    ProjectChangeSerializer,
    ProjectSerializer,
    TokenSerializer,
)
from openfn_platform.projects.founding import project_change
from openfn_platform.projects.membering import member_add, member_change, member_remove
from openfn_platform.projects.models import ApiToken, AuditEntry, Membership, Project, Role, User

LARGEST_ID = 2**63 - 1


@extend_schema_view(
    retrieve=extend_schema(
        operation_id="project",
        summary="The project, with its settings",
        tags=["project"],
        responses={200: ProjectSerializer},
    )
)
class TheProjectViewSet(RetrieveModelMixin, ProjectViewSet[Project]):
    """A token belongs to one project, so that its address needs no id."""

    queryset = Project.objects.all()
    serializer_class = ProjectSerializer
    needs = {"partial_update": Role.EDITOR}  # the scope deploy; the verb asks for more of people

    def get_queryset(self) -> QuerySet[Project]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return Project.objects.none()
        return Project.objects.filter(pk=self.project.pk)

    def get_object(self) -> Project:
        return self.get_queryset().get()

    @extend_schema(
        operation_id="project_change",
        summary="Change its settings",
        description="Only what is given. The key stays: files and addresses depend on it.",
        tags=["project"],
        request=ProjectChangeSerializer,
        responses={200: ProjectSerializer, **bad_body, **unusable},
        examples=[
            OpenApiExample("Time zone", value={"time_zone": "Africa/Dar_es_Salaam"}, request_only=True),
            OpenApiExample("Keep less", value={"payload_days": 30, "history_days": 180}, request_only=True),
        ],
    )
    def partial_update(self, request: Request) -> Response:
        values: Any = self.given(ProjectChangeSerializer)
        with self.holding() as project:
            changed = project_change(project=project, by=self.actor, **values)
        return self.shown(changed)


@extend_schema_view(
    list=extend_schema(summary="Members, those who came last first", tags=["members"]),
    retrieve=extend_schema(
        summary="One member", tags=["members"], responses={200: MemberSerializer, **not_found}
    ),
)
class MemberViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Membership]):
    queryset = Membership.objects.select_related("user", "project")
    serializer_class = MemberSerializer
    parameters = (
        of_words("role", "With these roles.", path="role", words=Role.values),
        of_flag("may_see_data", "Who may see data, or may not.", path="may_see_data"),
    )
    needs = dict.fromkeys(("create", "partial_update", "destroy"), Role.EDITOR)
    address = "api-member"

    @extend_schema(
        operation_id="members_add",
        summary="Let somebody in",
        description="Somebody who can log in to this installation already. Owners are made by owners, in the admin.",
        tags=["members"],
        request=MemberAddSerializer,
        responses={201: MemberSerializer, **bad_body, **not_now, **unusable},
        examples=[
            OpenApiExample(
                "An operator", value={"email": "amina@clinic.example", "role": "operator"}, request_only=True
            )
        ],
    )
    def create(self, request: Request) -> Response:
        values = self.given(MemberAddSerializer)
        person = User.objects.filter(email=values.pop("email").strip().lower(), is_active=True).first()
        if person is None:
            raise Invalid(
                "Nobody with that address can log in here yet; an administrator can invite them on the page Members.",
                field="email",
            )
        role = Role(values.pop("role"))
        values.setdefault("may_see_data", False)  # whoever may see data is named so
        made = member_add(project=self.project, user=person, role=role, by=self.actor, **values)
        return self.shown(made, status=201)

    @extend_schema(
        operation_id="members_change",
        summary="Change what somebody may do",
        tags=["members"],
        request=MemberChangeSerializer,
        responses={200: MemberSerializer, **bad_body, **not_found, **not_now, **unusable},
        examples=[OpenApiExample("An editor now", value={"role": "editor"}, request_only=True)],
    )
    def partial_update(self, request: Request, id: str) -> Response:
        values = self.given(MemberChangeSerializer)
        role = Role(values.pop("role")) if "role" in values else None
        with self.holding() as membership:
            changed = member_change(membership=membership, by=self.actor, role=role, **values)
        return self.shown(changed)

    @extend_schema(
        operation_id="members_remove",
        summary="Let somebody go",
        tags=["members"],
        request=None,
        responses={204: None, **not_found, **not_now},
    )
    def destroy(self, request: Request, id: str) -> Response:
        self.nothing_given()
        with self.holding() as membership:
            member_remove(membership=membership, by=self.actor)
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(
        summary="The project's API tokens, newest first",
        description="Never what they are: that was shown once. Tokens are made and revoked by people.",
        tags=["tokens"],
    ),
    retrieve=extend_schema(
        summary="One token", tags=["tokens"], responses={200: TokenSerializer, **not_found}
    ),
)
class TokenViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[ApiToken]):
    queryset = ApiToken.objects.select_related("created_by").defer("digest")
    serializer_class = TokenSerializer
    parameters = (
        of_flag(
            "revoked", "Those that were revoked, or the others.", path="revoked_at__isnull", reverse=True
        ),
    )
    needs = {"list": Role.EDITOR, "retrieve": Role.EDITOR}
    volatile = frozenset({"last_used_at"})


# --- audit ----------------------------------------------------------------------------------------


class NewestEntries(NewestFirst):
    """By their numbers, descending."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = page_size(request)
        cursor = request.query_params.get(CURSOR)
        if cursor is not None:
            queryset = queryset.filter(pk__lt=whole_number(CURSOR, cursor, least=1, most=LARGEST_ID))
        rows = list(queryset.order_by("-pk")[: size + 1])
        if len(rows) > size:
            self._next = next_address(request, **{CURSOR: str(rows[size - 1].pk)})
        return rows[:size]


def _text(name: str, about: str, *, path: str) -> Parameter:
    return Parameter(name=name, about=about, read=lambda text: {path: text})


AUDIT_PARAMETERS: Sequence[Parameter] = (
    of_id("actor", "Done by this person.", path="actor_id"),
    of_id("token", "Done with this token.", path="token_id"),
    _text("action", "For example `run retried` or `payload opened`.", path="action"),
    _text("object_type", "Of things of this kind: run, job, membership …", path="object_type"),
    _text("object_id", "Of this thing, by its id.", path="object_id"),
    of_time("at_after", "Done after this time.", path="at__gt"),
    of_time("at_before", "Done before this time.", path="at__lt"),
)


@extend_schema_view(
    list=extend_schema(
        summary="The audit: who did what, newest first",
        description="Entries are only ever added. Names are as they were then.",
        tags=["audit"],
    )
)
class AuditViewSet(ListModelMixin, ProjectViewSet[AuditEntry]):
    queryset = AuditEntry.objects.all()
    serializer_class = AuditSerializer
    pagination_class = NewestEntries
    parameters = AUDIT_PARAMETERS
    needs = {"list": Role.EDITOR}
