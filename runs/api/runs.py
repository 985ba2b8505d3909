"""Runs: lists, one, its log, its states, and what can be done about it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import NotFound
from openfn_platform.common.pagination import PAGE_SIZE, next_address, page_size
from openfn_platform.common.parameters import (
    of_flag,
    of_id,
    of_id_or_key,
    of_time,
    of_words,
    whole_number,
)
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import bad_body, not_found, not_now
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.models import Role
from runs.api.bodies import DismissSerializer, RetrySerializer
from runs.api.raw import state_answer
from runs.api.repeats import repeat_header, repeated
from runs.api.serializers import LogPageSerializer, RunSerializer
from runs.cancelling import run_abort, run_cancel
from runs.incidents import run_dismiss
from runs.models import LogLine, Run, RunMode, RunState
from runs.retrying import run_retry
from runs.states import state_read
from triggers.api.parsing import DocumentParser

AFTER = "after"
LOG_PAGE = 200
LARGEST_LOG_PAGE = 1_000
LAST_LINE = 2**31 - 1

_RAW = OpenApiResponse(
    response=OpenApiTypes.OBJECT, description="The JSON text as it is stored; ETag is its SHA-256."
)


class NothingYet(NotFound):
    """There is nothing here yet."""

    code = "nothing_yet"


@extend_schema_view(
    list=extend_schema(summary="Runs, newest first", tags=["runs"]),
    retrieve=extend_schema(summary="One run", tags=["runs"], responses={200: RunSerializer, **not_found}),
)
class RunViewSet(ListModelMixin, RetrieveModelMixin, ProjectViewSet[Run]):
    queryset = Run.objects.select_related("work_order").only(
        "project",
        "work_order__message",
        "job",
        "workflow",
        "trigger",
        "state",
        "mode",
        "attempt",
        "retry_of",
        "parent",
        "incident",
        "handled",
        "dismissed_at",
        "dismissed_reason",
        "error_type",
        "error_message",
        "created_at",
        "started_at",
        "finished_at",
        "input",
        "final",
    )
    serializer_class = RunSerializer
    parser_classes = (DocumentParser,)
    parameters = (
        of_words("state", "In these states.", path="state", words=RunState.values),
        of_id_or_key("job", "Of this job, by id or key.", path="job"),
        of_id_or_key("workflow", "Of this workflow, by id or key.", path="workflow"),
        of_id_or_key("trigger", "Started by this trigger, by id or key.", path="trigger"),
        of_id("work_order", "Of this work order.", path="work_order_id"),
        of_id("message", "Begun by this message.", path="work_order__message_id"),
        of_id("retry_of", "Retries of this run.", path="retry_of_id"),
        of_id("parent", "Started by the end of this run.", path="parent_id"),
        of_id("incident", "Failures of this incident.", path="incident_id"),
        of_flag("handled", "Failures that a flow trigger caught, or did not.", path="handled"),
        of_flag(
            "dismissed",
            "Failures that somebody put aside, or nobody.",
            path="dismissed_at__isnull",
            reverse=True,
        ),
        of_time("inserted_after", "Made after this time.", path="created_at__gt"),
        of_time("inserted_before", "Made before this time.", path="created_at__lt"),
        of_words(
            "mode",
            "Real runs, dry runs or test runs.",
            path="mode",
            words=RunMode.values,
            usual=RunMode.LIVE.value,
        ),
    )
    needs = dict.fromkeys(("retry", "cancel", "abort", "dismiss"), Role.OPERATOR)
    shows_data = frozenset({"log", "input", "final_state"})
    takes = {"log": (AFTER, PAGE_SIZE)}

    @extend_schema(
        operation_id="runs_log",
        summary="Its log",
        description="Lines appear while the run goes on. To follow it, ask again with `after` = the last `seq` until "
        "it is `complete`, or listen at `log/stream`.",
        tags=["runs"],
        parameters=[
            OpenApiParameter(AFTER, int, description="Lines behind this `seq`."),
            OpenApiParameter(
                PAGE_SIZE, int, description=f"At most {LARGEST_LOG_PAGE:,}; usually {LOG_PAGE}."
            ),
        ],
        responses={200: LogPageSerializer, **not_found},
    )
    def log(self, request: Request, id: str) -> Response:
        run = self.get_object()
        size = page_size(request, usual=LOG_PAGE, largest=LARGEST_LOG_PAGE)
        lines = LogLine.objects.filter(run_id=run.pk, project_id=run.project_id)
        after = request.query_params.get(AFTER)
        if after is not None:
            lines = lines.filter(seq__gt=whole_number(AFTER, after, least=0, most=LAST_LINE))
        page = list(lines.order_by("seq")[: size + 1])
        more = len(page) > size
        page = page[:size]
        following = next_address(request, **{AFTER: str(page[-1].seq)}) if more else None
        if page:
            payload_opened(self.actor, project=self.project, target=run, part="log")
        # The run was read before its lines, which are written before it ends or with its end.
        told = {"results": page, "next": following, "complete": run.is_final and not more}
        return Response(LogPageSerializer(told).data)

    @extend_schema(
        operation_id="runs_input", summary="Its input", tags=["runs"], responses={200: _RAW, **not_found}
    )
    def input(self, request: Request, id: str) -> HttpResponseBase:
        run = self.get_object()
        waits = "This run has no input yet: a schedule's is made when its turn has come."
        return self._state(run=run, state_id=run.input_id, what="input", absent=waits)

    @extend_schema(
        operation_id="runs_final_state",
        summary="Its final state",
        description="Of a run that failed: its state at that moment, if it could still be saved.",
        tags=["runs"],
        responses={200: _RAW, **not_found},
    )
    def final_state(self, request: Request, id: str) -> HttpResponseBase:
        run = self.get_object()
        ended = run.state not in (RunState.AVAILABLE, RunState.CLAIMED, RunState.STARTED)
        absent = "This run ended without a state." if ended else "This run has not ended yet."
        return self._state(run=run, state_id=run.final_id, what="final state", absent=absent)

    def _state(self, *, run: Run, state_id: uuid.UUID | None, what: str, absent: str) -> HttpResponseBase:
        if state_id is None:
            raise NothingYet(absent)
        answer = state_answer(request=self.request, project_id=run.project_id, state_id=state_id)
        if answer.status_code == 200:
            payload_opened(self.actor, project=self.project, target=run, part=what)
        return answer

    @extend_schema(
        operation_id="runs_retry",
        summary="Retry it",
        description="Makes the next attempt of an ended run, as it was or with a corrected input.",
        tags=["runs"],
        parameters=[repeat_header()],
        request=RetrySerializer,
        responses={201: RunSerializer, **bad_body, **not_found, **not_now},
        examples=[
            OpenApiExample("As it was", value={}, request_only=True),
            OpenApiExample("Corrected", value={"data": {"form": {"sex": "female"}}}, request_only=True),
        ],
    )
    def retry(self, request: Request, id: str) -> Response:
        run = self.get_object()
        values = self.given(RetrySerializer)
        made, again = repeated(self, lambda: self._retry(run, values))
        return run_answer(made, view=self, again=again)

    def _retry(self, run: Run, values: Mapping[str, Any]) -> Run:
        corrected = values.get("input")
        if "data" in values:
            kept = json.loads(state_read(state_id=run.input_id)) if run.input_id else {}
            corrected = {**kept, "data": values["data"]}
        return run_retry(run=run, by=self.actor, corrected=corrected, same_code=values["same_code"])

    @extend_schema(
        operation_id="runs_cancel",
        summary="Cancel it",
        description="200: it is cancelled. 202: it was running and its worker has been asked to stop it. If it comes "
        "to its end before that, it has ended as it did, and nothing follows from it.",
        tags=["runs"],
        request=None,
        responses={200: RunSerializer, 202: RunSerializer, **not_found, **not_now},
    )
    def cancel(self, request: Request, id: str) -> Response:
        self.nothing_given()
        run = self.get_object()
        at_once = run_cancel(run=run, by=self.actor)
        return Response(self._whole(self.get_object()), status=200 if at_once else 202)

    @extend_schema(
        operation_id="runs_abort",
        summary="Abort it",
        description="Ends it now, also when its worker hangs or cannot be reached; then the last lines of its log may "
        "be missing. What it has written to other systems stays there. Cancel asks the worker, and is enough mostly.",
        tags=["runs"],
        request=None,
        responses={200: RunSerializer, **not_found, **not_now},
    )
    def abort(self, request: Request, id: str) -> Response:
        self.nothing_given()
        run_abort(run=self.get_object(), by=self.actor)
        return Response(self._whole(self.get_object()))

    @extend_schema(
        operation_id="runs_dismiss",
        summary="Put its failure aside",
        description="It no longer counts as a failure; its incident closes with the last one.",
        tags=["runs"],
        request=DismissSerializer,
        responses={200: RunSerializer, **bad_body, **not_found, **not_now},
        examples=[OpenApiExample("Done by hand", value={"reason": "Entered by hand."}, request_only=True)],
    )
    def dismiss(self, request: Request, id: str) -> Response:
        values = self.given(DismissSerializer)
        run_dismiss(run=self.get_object(), by=self.actor, reason=values["reason"])
        return Response(self._whole(self.get_object()))


def run_answer(key: uuid.UUID, *, view: ProjectViewSet[Any], again: bool = False) -> Response:
    """201, with the run that was made and its address."""
    run = RunViewSet.queryset.filter(pk=key, project=view.project).first()
    if run is None:  # made at an earlier call, and pruned since
        raise NotFound("The run that the first call made is not kept any more.")
    headers = {"Location": reverse("api-run", kwargs={"id": run.pk})}
    if again:
        headers["Idempotency-Replayed"] = "true"
    data = RunSerializer(run, context=view.get_serializer_context()).data
    return Response(data, status=201, headers=headers)
