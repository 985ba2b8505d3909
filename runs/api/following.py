"""Following a run's log: `text/event-stream`, as browsers and curl read it."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from openfn_platform.common.parameters import whole_number
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.api.described import not_found, problem_of
from openfn_platform.projects.auditing import payload_opened
from runs.models import Run
from runs.streaming import LogStream, connection_release

AFTER = "after"
LAST_EVENT_ID = "Last-Event-ID"
LAST_LINE = 2**31 - 1
KIND = "text/event-stream"
EXAMPLE = """retry: 1000

id: 1
event: line
data: {"seq": 1, "at": "2026-01-31T08:00:00.120000+00:00", "level": "info", "text": "3 patients found"}

: still there

event: end
data: {"state": "success"}
"""


class RunLogStreamViewSet(ProjectViewSet[Run]):
    queryset = Run.objects.only("project", "state")
    shows_data = frozenset({"follow"})
    takes = {"follow": (AFTER,)}

    @extend_schema(
        operation_id="runs_log_stream",
        summary="Follow its log",
        description="Server-sent events: `line` for each line, its `seq` as the event's id; `end` with the run's state "
        "when there is nothing more to come. Comments keep the connection alive. After a minute the stream ends "
        "without `end`: ask again with `Last-Event-ID`, as browsers do by themselves.",
        tags=["runs"],
        parameters=[
            OpenApiParameter(AFTER, int, description="Lines behind this `seq`."),
            OpenApiParameter(
                LAST_EVENT_ID, int, OpenApiParameter.HEADER, description="The same; it wins over `after`."
            ),
        ],
        responses={
            (200, KIND): OpenApiResponse(
                response=OpenApiTypes.STR,
                description="Events, as they happen.",
                examples=[OpenApiExample("Two lines long", value=EXAMPLE)],
            ),
            **not_found,
            **problem_of(503, "Too many logs are followed at this moment."),
        },
    )
    def follow(self, request: Request, id: str) -> HttpResponseBase:
        run = self.get_object()
        given = request.META.get("HTTP_LAST_EVENT_ID")
        name, text = (AFTER, request.query_params.get(AFTER)) if given is None else (LAST_EVENT_ID, given)
        after = 0 if text is None else whole_number(name, text, least=0, most=LAST_LINE)
        if request.method == "HEAD":
            return _headed(HttpResponse(content_type=KIND))
        if not after:
            payload_opened(self.actor, project=self.project, target=run, part="log")
        stream = LogStream(run=run, after=after)
        connection_release()  # Django would do so when the answer is over, in a minute
        return _headed(StreamingHttpResponse(stream, content_type=KIND))


def _headed(answer: HttpResponseBase) -> HttpResponseBase:
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # nginx would collect lines before it hands them on
    answer["Content-Encoding"] = "identity"  # as our own compression would
    return answer
