"""Exchanges with partner systems: of one run, and *Sent* over all runs of the project.

Whole addresses, errors and bodies are data of patients; without the scope `read-data` a program learns to which
system something went and how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.models import Job
from openfn_platform.common.errors import NotFound
from openfn_platform.common.models import as_uuid
from openfn_platform.common.pagination import (
    CURSOR,
    PAGE_SIZE,
    NewestFirst,
    next_address,
    page_response,
    page_size,
)
from openfn_platform.common.parameters import BadParameter, Parameter, of_id, of_time, whole_number
from openfn_platform.common.words import words_wanted
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found
from openfn_platform.projects.api.scopes import scope_require
from openfn_platform.projects.auditing import audit, payload_opened
from openfn_platform.projects.scoping import scoped
from runs.api.serializers import ExchangeDetailSerializer, ExchangePageSerializer, ExchangeSerializer
from runs.models import HttpExchange, Run
from runs.selectors import exchanges as trace
from runs.selectors.sent import (
    KINDS,
    MODES,
    Cursor,
    exchanges,
    kind_conditions,
    mode_conditions,
    newest,
    status_conditions,
)

AFTER = "after"
WORDS = "words"
LARGEST_PAGE = 500
LAST = 2**31 - 1


class RunExchangeViewSet(ProjectViewSet[Run]):
    """What one run asked of other systems."""

    queryset = Run.objects.only("project", "state")
    serializer_class = ExchangeSerializer  # type: ignore[assignment]  # of what hangs on its rows
    shows_data = frozenset({"exchange"})
    takes = {"exchanges": (AFTER, PAGE_SIZE)}

    @extend_schema(
        operation_id="runs_exchanges",
        summary="Its exchanges with partner systems",
        description="In their order, also while the run goes on: ask again with `after` = the last `seq`.",
        tags=["runs"],
        parameters=[
            OpenApiParameter(AFTER, int, description="Exchanges behind this `seq`."),
            OpenApiParameter(PAGE_SIZE, int, description=f"At most {LARGEST_PAGE}; usually 50."),
        ],
        responses={200: ExchangePageSerializer, **not_found},
    )
    def exchanges(self, request: Request, id: str) -> Response:
        run = self.get_object()
        size = page_size(request, largest=LARGEST_PAGE)
        rows = trace.of_run(run)
        after = request.query_params.get(AFTER)
        if after is not None:
            rows = rows.filter(seq__gt=whole_number(AFTER, after, least=0, most=LAST))
        page = list(rows.order_by("seq")[: size + 1])
        more = len(page) > size
        page = page[:size]
        following = next_address(request, **{AFTER: str(page[-1].seq)}) if more else None
        sees = self.actor.may_see_data(self.project)
        if sees and page:
            payload_opened(self.actor, project=self.project, target=run, part="http")
        context = {"sees": sees}
        return page_response(list(ExchangeSerializer(page, many=True, context=context).data), following)

    @extend_schema(
        operation_id="runs_exchange",
        summary="One exchange, with its bodies",
        tags=["runs"],
        responses={200: ExchangeDetailSerializer, **not_found},
    )
    def exchange(self, request: Request, id: str, seq: str) -> Response:
        run = self.get_object()
        number = int(seq) if seq.isascii() and seq.isdigit() and len(seq) < 10 else 0
        found = trace.exchange(run=run, seq=number)
        if found is None:
            raise NotFound()
        payload_opened(self.actor, project=self.project, target=run, part=f"exchange {number}")
        return Response(ExchangeDetailSerializer(found, context={"sees": True}).data)


class NewestSent(NewestFirst):
    """By time, descending."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = page_size(request)
        given = request.query_params.get(CURSOR)
        after = None if given is None else _cursor(given)
        rows = newest(queryset, projects=[view.project.pk], size=size + 1, after=after)
        if len(rows) > size:
            self._next = next_address(request, **{CURSOR: str(Cursor.of(rows[size - 1]))})
        return list(rows[:size])


def _cursor(text: str) -> Cursor:
    found = Cursor.read(text)
    if found is None:
        raise BadParameter(
            "This cursor is none of ours; follow the address in `next`, or begin without one.", field=CURSOR
        )
    return found


# --- filters --------------------------------------------------------------------------------------


def _of_text(name: str, about: str, read: Callable[[str], dict[str, Any] | None], wrong: str) -> Parameter:
    def conditions(text: str) -> dict[str, Any]:
        found = read(text)
        if found is None:
            raise BadParameter(f"`{name}` must be {wrong}.", field=name)
        return found

    return Parameter(name=name, about=about, read=conditions)


def _of_several(
    name: str, about: str, words: Sequence[str], read: Callable[[Sequence[str]], dict[str, Any]]
) -> Parameter:
    def conditions(text: str) -> dict[str, Any]:
        wanted = sorted({word.strip() for word in text.split(",")})
        if any(word not in words for word in wanted):
            raise BadParameter(f"`{name}` must be one or more of: {', '.join(words)}.", field=name)
        return read(wanted)

    about = f"{about} One or more, separated by commas: {', '.join(words)}."
    return Parameter(name=name, about=about, read=conditions, usual=words[0])


def _job(text: str) -> dict[str, Any] | None:
    found = as_uuid(text)
    # A key may name a job of another project, too; its exchanges are not among those that are looked through.
    return {"job_id": found} if found else {"job_id__in": Job.objects.filter(key=text).values("pk")}


def _words(text: str) -> dict[str, Any] | None:
    wanted = words_wanted(text)
    return {"words__have": wanted} if wanted else None


@extend_schema_view(
    list=extend_schema(
        operation_id="sent",
        summary="What went to partner systems, newest first",
        description="Usually what was really written; `kind` and `mode` ask for reads and dry runs.",
        tags=["sent"],
    )
)
class SentViewSet(ListModelMixin, ProjectViewSet[HttpExchange]):
    queryset = exchanges()
    serializer_class = ExchangeSerializer
    pagination_class = NewestSent
    parameters = (
        _of_text(
            WORDS,
            "With these words in address or bodies, whole or as beginnings. Needs the scope read-data.",
            _words,
            "words of two letters or more",
        ),
        _of_text("connection", "By this alias.", lambda text: {"connection": text}, "an alias"),
        _of_text(
            "method",
            "POST, INSERT, SEND …",
            lambda text: {"method": text.upper()[:10]},
            "the name of a method",
        ),
        _of_text(
            "status",
            "404, a class such as 4xx, `failed` (an error or from 400 on), or `none` (no answer).",
            status_conditions,
            "a number such as 404, a class such as 4xx, failed or none",
        ),
        _of_text("job", "Of this job, by id or key.", _job, "an id or a key"),
        of_id("run", "Of this run.", path="run_id"),
        of_id("work_order", "Of this work order.", path="work_order_id"),
        of_time("sent_after", "Begun at this time or after it.", path="at__gte"),
        of_time("sent_before", "Begun before this time.", path="at__lt"),
        _of_several("kind", "Writes or reads.", KINDS, kind_conditions),
        _of_several("mode", "Really sent, or shown in a dry run.", MODES, mode_conditions),
    )

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if WORDS in request.query_params:
            scope_require(token=self.token, data=True)  # who may ask for names learns where they stand

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer = super().list(request, *args, **kwargs)
        if WORDS in request.query_params and CURSOR not in request.query_params:
            changes = {"filter": request.query_params.dict()}
            audit("sent searched", self.actor, project=self.project, changes=changes, opened=True)
        if self.actor.may_see_data(self.project) and answer.data["results"]:
            part = "addresses in Sent"
            payload_opened(self.actor, project=self.project, target=self.project, part=part)
        return answer

    def get_queryset(self) -> QuerySet[HttpExchange]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model only
            return HttpExchange.objects.none()
        return scoped(exchanges(), self.actor, "project_id")
