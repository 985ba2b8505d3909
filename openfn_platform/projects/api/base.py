"""What every view of the API begins with: a token, its scopes, the rows of its project, strict parameters.

A view says what it shows and what it needs; what belongs to another project is not found, in the same words as
what never was. Single things carry an ETag, and changing one needs it back (`holding`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from openfn_platform.common.errors import NotFound, PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.common.pagination import NewestFirst
from openfn_platform.common.parameters import (
    FIELDS,
    Parameter,
    ParameterFilter,
    fields_wanted,
    parameters_check,
)
from openfn_platform.common.preconditions import (
    PreconditionMissing,
    is_known,
    precondition_check,
    tag_of,
    tag_of_part,
)
from openfn_platform.common.serializing import StrictSerializer
from openfn_platform.projects.actors import Actor, actor_of
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.authentication import TokenAuthentication
from openfn_platform.projects.locking import project_lock
from openfn_platform.projects.models import ApiToken, Project, Role
from openfn_platform.projects.scoping import scoped

Row = TypeVar("Row", bound=Model)
Named = TypeVar("Named", bound=Model)


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

    def given(self, serializer: type[StrictSerializer], *, partial: bool = False) -> dict[str, Any]:
        """The body as that serializer reads it; a problem otherwise."""
        read = serializer(data=self.request.data, partial=partial, context={"view": self})
        read.is_valid(raise_exception=True)
        values: dict[str, Any] = read.validated_data
        return values

    def nothing_given(self) -> None:
        """For deeds that take nothing: a field that somebody hopes to be heard is refused."""
        self.given(StrictSerializer)

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
    # Where `serializer_class` is not what is shown.
    shows: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}
    # What a field of the answer needs to have loaded: left out with `fields=`, it costs nothing.
    loads: ClassVar[Mapping[str, Callable[[QuerySet[Any]], QuerySet[Any]]]] = {}
    selects: ClassVar[frozenset[str]] = frozenset({"list", "retrieve"})  # may be asked for some `fields` only
    guarded: ClassVar[frozenset[str]] = frozenset({"update", "partial_update", "destroy"})  # want an If-Match
    volatile: ClassVar[frozenset[str]] = frozenset()  # fields that change without anybody's doing
    address: ClassVar[str] = ""  # name of the address of a single one, for `Location`

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.wanted is not None:
            fields_wanted(request, known=self._shown_by(self.action or "")().get_fields())

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        action = self.action or ""
        scope_require(
            token=self.token, role=self.needs.get(action, Role.VIEWER), data=action in self.shows_data
        )

    def known_parameters(self) -> Sequence[str]:
        action = self.action or ""
        fields = (FIELDS,) if action in self.selects else ()
        if action == "list":
            return (*(parameter.name for parameter in self.parameters), *NewestFirst.names, *fields)
        return (*self.takes.get(action, ()), *fields)

    # --- rows -------------------------------------------------------------------------------------

    def get_queryset(self) -> QuerySet[Row]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return super().get_queryset().none()
        return scoped(self._loaded(super().get_queryset()), self.actor)

    def get_object(self) -> Row:
        """The row that the address names. Filters are for lists and do not hide it."""
        key = as_uuid(self.kwargs["id"])
        row = self.get_queryset().filter(pk=key).first() if key is not None else None
        if row is None:
            raise NotFound()
        return row

    def named(self, rows: QuerySet[Named], key: str, *, field: str) -> Named:
        """What a body names by id or key. Of another project: the same as what never was."""
        found = as_uuid(key)
        by = {"pk": found} if found is not None else {"key": key}
        row = scoped(rows, self.actor).filter(**by).first()
        if row is None:
            what = rows.model._meta.verbose_name
            raise NotFound(f"There is no {what} by that id or key.", field=field)
        return row

    def _loaded(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        asked = (load for name, load in self.loads.items() if self.wanted is None or name in self.wanted)
        for load in dict.fromkeys(asked):  # two fields may need the same
            rows = load(rows)
        return rows

    # --- answers ----------------------------------------------------------------------------------

    @cached_property
    def wanted(self) -> list[str] | None:
        """The fields that are asked for; None: all of them."""
        return fields_wanted(self.request) if self.action in self.selects else None

    def get_serializer_class(self) -> type[BaseSerializer[Row]]:
        chosen: type[BaseSerializer[Row]] = self._shown_by(self.action or "")
        return chosen

    def _shown_by(self, action: str) -> Any:
        return self.shows.get(action) or self.serializer_class

    def get_serializer_context(self) -> dict[str, Any]:
        """`sees`: whether sentences about failures are shown whole, and what else of an answer may be data."""
        asked = not getattr(self, "swagger_fake_view", False)
        sees = asked and self.actor.may_see_data(self.project)
        return {**super().get_serializer_context(), "sees": sees}

    def get_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Row]:
        serializer: Any = super().get_serializer(*args, **kwargs)
        if not getattr(self, "swagger_fake_view", False) and self.wanted is not None:
            fields = getattr(serializer, "child", serializer).fields
            for name in [name for name in fields if name not in self.wanted]:
                fields.pop(name)
        made: BaseSerializer[Row] = serializer
        return made

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if self.action != "retrieve" or not isinstance(response, Response) or response.status_code != 200:
            return answer
        tag = self._tag(response.data) if self.wanted is None else tag_of_part(response.data)
        known = is_known(request.META.get("HTTP_IF_NONE_MATCH"), tag)
        return tagged(HttpResponse(status=304) if known else answer, tag)

    def shown(self, row: Row, *, status: int = 200) -> Response:
        """One thing as it is now, after a deed; with its address where it is new."""
        data = self._whole(self._fresh(row.pk))
        headers = {"Location": reverse(self.address, kwargs={"id": row.pk})} if status == 201 else {}
        return tagged(Response(data, status=status, headers=headers), self._tag(data))

    def _fresh(self, key: Any) -> Row:
        return self.get_queryset().get(pk=key)

    def _whole(self, row: Row) -> Any:
        return self._shown_by("retrieve")(row, context=self.get_serializer_context()).data

    def _tag(self, data: Any) -> str:
        return tag_of(data, volatile=self.volatile)

    # --- changes ----------------------------------------------------------------------------------

    @contextmanager
    def holding(self) -> Iterator[Row]:
        """The row that the address names, to change it: nobody else can, and it is as the caller saw it."""
        self.guard_require()
        row = self.get_object()
        with transaction.atomic():
            self.lock(row)
            row = self.get_object()
            self._compare(row)
            yield row

    def guard_of(self, row: Row) -> Callable[[], None]:
        """The comparison alone, for a verb that does slow work before it takes its locks and asks under them."""
        return lambda: self._compare(self._fresh(row.pk))

    def guard_require(self) -> None:
        if self.action in self.guarded and self._if_match is None:
            raise PreconditionMissing()

    def lock(self, row: Row) -> None:
        """As the verbs do it, which take these locks again."""
        project_lock(self.project)
        model = type(row)._default_manager
        list(model.select_for_update(no_key=True).filter(pk=row.pk).values_list("pk"))

    @property
    def _if_match(self) -> str | None:
        given: str | None = self.request.META.get("HTTP_IF_MATCH")
        return given

    def _compare(self, row: Row) -> None:
        if self._if_match is not None:
            precondition_check(self._if_match, self._tag(self._whole(row)))


Answer = TypeVar("Answer", bound=HttpResponseBase)


def tagged(answer: Answer, tag: str) -> Answer:
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer
