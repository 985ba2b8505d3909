"""When a schedule fires next, and what a trigger said before: reading only."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from openfn_platform.common.errors import Conflict
from openfn_platform.common.pagination import PAGE_SIZE, next_address, page_response, page_size
from openfn_platform.common.parameters import whole_number
from openfn_platform.projects.api.base import ProjectViewSet, TokenView
from openfn_platform.projects.api.described import not_found, not_now, unusable
from openfn_platform.projects.api.scopes import scope_require
from triggers.api.reading import places_named, schedule_spec
from triggers.api.serializers import (
    MOST_FIRINGS,
    FiringsAskSerializer,
    FiringsSerializer,
    RevisionPageSerializer,
    RevisionSerializer,
    TriggerSerializer,
)
from triggers.models import Trigger, TriggerKind, TriggerRevision
from triggers.schedules import Schedule, describe, slots_after
from triggers.specs import schedule_meant
from triggers.timetable import schedule_of
from triggers.wallclock import zone_of

COUNT = "count"
BEFORE = "before"
USUAL = 5


class NotASchedule(Conflict):
    """This trigger is no schedule; only schedules fire at times."""

    code = "not_a_schedule"


class TriggerHistoryViewSet(ProjectViewSet[Trigger]):
    queryset = Trigger.objects.select_related("project")
    serializer_class = TriggerSerializer
    takes = {"firings": (COUNT,), "revisions": (BEFORE, PAGE_SIZE)}

    @extend_schema(
        operation_id="triggers_firings",
        summary="When a schedule fires next",
        description="As if it were on.",
        tags=["triggers"],
        parameters=[
            OpenApiParameter(COUNT, int, description=f"How many times; at most {MOST_FIRINGS}, usually 5.")
        ],
        responses={200: FiringsSerializer, **not_found, **not_now},
    )
    def firings(self, request: Request, id: str) -> Response:
        trigger = self.get_object()
        if trigger.kind != TriggerKind.SCHEDULE:
            raise NotASchedule()
        given = request.query_params.get(COUNT)
        count = USUAL if given is None else whole_number(COUNT, given, least=1, most=MOST_FIRINGS)
        return _firings(schedule_of(trigger), count)

    @extend_schema(
        operation_id="triggers_revisions",
        summary="What it said before, newest first",
        tags=["triggers"],
        parameters=[
            OpenApiParameter(BEFORE, int, description="Revisions with a lower number than this."),
            OpenApiParameter(PAGE_SIZE, int, description="At most 200; usually 50."),
        ],
        responses={200: RevisionPageSerializer, **not_found},
    )
    def revisions(self, request: Request, id: str) -> Response:
        size = page_size(request)
        rows = TriggerRevision.objects.filter(trigger=self.get_object()).select_related("author")
        before = request.query_params.get(BEFORE)
        if before is not None:
            rows = rows.filter(number__lt=whole_number(BEFORE, before, least=1, most=2**31 - 1))
        page = list(rows.order_by("-number")[: size + 1])
        more = len(page) > size
        page = page[:size]
        following = next_address(request, **{BEFORE: str(page[-1].number)}) if more else None
        return page_response(list(RevisionSerializer(page, many=True).data), following)


class FiringsView(TokenView):
    """Of a schedule that nobody has saved."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        scope_require(token=self.token)

    @extend_schema(
        operation_id="firings_preview",
        summary="When a schedule would fire",
        description="Nothing is stored.",
        tags=["triggers"],
        request=FiringsAskSerializer,
        responses={200: FiringsSerializer, **unusable},
        examples=[
            OpenApiExample(
                "Every two weeks",
                request_only=True,
                value={
                    "schedule": {
                        "kind": "every",
                        "every": 2,
                        "unit": "weeks",
                        "starts_at": "2026-01-02T23:00:00",
                        "time_zone": "Africa/Nairobi",
                    }
                },
            )
        ],
    )
    @places_named()
    def post(self, request: Request) -> Response:
        values = self.given(FiringsAskSerializer)
        spec = schedule_spec(values["schedule"])
        zone = spec.time_zone or self.project.time_zone
        return _firings(schedule_meant(spec, zone), values["count"])


def _firings(schedule: Schedule, count: int) -> Response:
    words = describe(schedule)  # says what is wrong with it first
    zone = zone_of(schedule.tz)
    times = [slot.astimezone(zone).isoformat() for slot in slots_after(schedule, timezone.now(), count)]
    return Response({"words": words, "time_zone": schedule.tz, "times": times})
