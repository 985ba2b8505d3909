"""What every view of the API begins with: a token, its scopes, the rows of its project, strict parameters.

A view says what it shows and what it needs; what belongs to another project is not found, in the same words as
what never was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.common.pagination import NewestFirst
from openfn_platform.common.parameters import Parameter, ParameterFilter, parameters_check
from openfn_platform.projects.actors import Actor, actor_of
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.authentication import TokenAuthentication
from openfn_platform.projects.models import ApiToken, Project, Role
from openfn_platform.projects.scoping import scoped

Row = TypeVar("Row", bound=Model)


class LengthRequired(PlatformError):
    """Send the body with its Content-Length, not in chunks."""

    code = "length_required"
    status = 411


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # has no types
    """How the schema names what `TokenAuthentication` reads."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ofp_…",
            "description": "A token of a project, made by its administrators. It sees that project and no other.",
        }


class TokenView(APIView):
    """A view for programs. They always get JSON, whatever they say that they accept."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)
    metadata_class = None  # OPTIONS would describe what the schema describes better

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        parameters_check(request.query_params, self.known_parameters())
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequired()  # without a length no body is read, and an input would be lost silently

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def known_parameters(self) -> Sequence[str]:
        return ()

    @property
    def token(self) -> ApiToken:
        token = self.request.auth
        assert isinstance(token, ApiToken)  # noqa: S101  # for the type checker: nothing else authenticates
        return token

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    @property
    def project(self) -> Project:
        return self.token.project


class ProjectViewSet(TokenView, GenericViewSet[Row]):
    """Rows of the token's project: `list` and `retrieve` are the mixins', deeds are methods of their own."""

    filter_backends = (ParameterFilter,)
    pagination_class = NewestFirst
    lookup_field = "id"
    parameters: ClassVar[Sequence[Parameter]] = ()
    # By the name of the method; what is not named needs a token that may read.
    needs: ClassVar[Mapping[str, Role]] = {}
    shows_data: ClassVar[frozenset[str]] = frozenset()
    takes: ClassVar[Mapping[str, Sequence[str]]] = {}

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        action = self.action or ""
        scope_require(
            token=self.token, role=self.needs.get(action, Role.VIEWER), data=action in self.shows_data
        )

    def known_parameters(self) -> Sequence[str]:
        if self.action == "list":
            return (*(parameter.name for parameter in self.parameters), *NewestFirst.names)
        return self.takes.get(self.action or "", ())

    def get_queryset(self) -> QuerySet[Row]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return super().get_queryset().none()
        return scoped(super().get_queryset(), self.actor)

    def get_object(self) -> Row:
        """The row that the address names. Filters are for lists and do not hide it."""
        key = as_uuid(self.kwargs["id"])
        row = self.get_queryset().filter(pk=key).first() if key is not None else None
        if row is None:
            raise NotFound()
        return row
