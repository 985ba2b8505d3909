"""Filters of the history's lists. They stand in the address, work without scripts, and use indexes that exist."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.admin import ListFilter, SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date

from jobs.models import Job, Workflow
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.adminfilters import related_rows
from openfn_platform.projects.current import current_project
from runs.models import Run, RunMode, RunState
from runs.words import GROUPS
from triggers.models import Inbox, Trigger

MOST_CHOICES = 300


class SelectFilter(SimpleListFilter):
    """One drop-down list."""

    template = "admin/runs/filter_select.html"

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {
            "name": self.parameter_name,
            "options": [
                {"value": value, "text": text, "chosen": str(value) == str(self.value())}
                for value, text in self.lookup_choices
            ],
        }


class RelatedFilter(SelectFilter):
    """The rows that the person may see, of the current project if one is chosen."""

    model: Any
    column = ""  # of the list's own model

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = related_rows(request, self.model)
        project = current_project(request)
        if project is not None:
            rows = rows.filter(project=project)
        return [(str(row.pk), str(row)) for row in rows.order_by("name")[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if not wanted:
            return queryset
        key = as_uuid(wanted)
        return queryset.none() if key is None else queryset.filter(**{self.column: key})


class JobFilter(RelatedFilter):
    title, parameter_name, model, column = "job", "job__id__exact", Job, "job_id"


class WorkflowFilter(RelatedFilter):
    title, parameter_name, model, column = "workflow", "workflow__id__exact", Workflow, "workflow_id"


class TriggerFilter(RelatedFilter):
    title, parameter_name, model, column = "trigger", "trigger__id__exact", Trigger, "trigger_id"


class InboxFilter(RelatedFilter):
    title, parameter_name, model, column = "inbox", "inbox__id__exact", Inbox, "inbox_id"


class OutcomeFilter(SelectFilter):
    title, parameter_name = "outcome", "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, word) for name, (word, _states) in GROUPS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        group = GROUPS.get(self.value() or "")
        return queryset.filter(state__in=group[1]) if group else queryset


class StateFilter(SelectFilter):
    """The exact state, as code, API and links name it."""

    title, parameter_name = "exact state", "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in RunState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class ModeFilter(SelectFilter):
    title, parameter_name = "mode", "mode__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in RunMode.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(mode=self.value()) if self.value() else queryset


class CareFilter(SelectFilter):
    """Whether a failure was looked after."""

    title, parameter_name = "failures that were", "care"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("handled", "handled by another job"),
            ("dismissed", "dismissed"),
            ("retried", "retried"),
            ("open", "none of these"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        failed = Q(state__in=GROUPS["failed"][1])
        again = Run.objects.filter(retry_of=OuterRef("pk"))
        match self.value():
            case "handled":
                return queryset.filter(failed, handled=True)
            case "dismissed":
                return queryset.filter(failed, dismissed_at__isnull=False)
            case "retried":
                return queryset.filter(failed, Exists(again))
            case "open":
                return queryset.filter(failed, ~Exists(again), handled=False, dismissed_at=None)
            case _:
                return queryset


class MatchedFilter(SelectFilter):
    title, parameter_name = "matched", "matched__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "started something"), ("0", "unmatched")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(matched=self.value() == "1") if self.value() in ("0", "1") else queryset


class OpenFilter(SelectFilter):
    title, parameter_name = "state", "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "open"), ("nobody", "open, nobody looks after it"), ("0", "closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "1":
                return queryset.filter(closed_at=None)
            case "nobody":
                return queryset.filter(closed_at=None, taken_by=None)
            case "0":
                return queryset.filter(closed_at__isnull=False)
            case _:
                return queryset


class DaysFilter(ListFilter):
    """From one day to another, in the person's time zone. By id: ids sort by time and are indexed."""

    title = "date"
    template = "admin/runs/filter_days.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in ("from", "until"):
            given = params.pop(name, "")
            self.used_parameters[name] = given[-1] if isinstance(given, list) else given

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return ["from", "until"]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {name: value for name, value in self.used_parameters.items() if _day(value)}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = _day(self.used_parameters["from"]), _day(self.used_parameters["until"])
        if first:
            queryset = queryset.filter(pk__gte=first_id_of(first))
        if last:
            queryset = queryset.filter(pk__lt=first_id_of(last + timedelta(days=1)))
        return queryset


def _day(text: object) -> date | None:
    try:
        day = parse_date(str(text))
    except ValueError:
        return None
    return day if day is not None and 1990 < day.year < 3000 else None


def first_id_of(day: date) -> uuid.UUID:
    """The least UUIDv7 that could have been made on that day, in the person's time zone."""
    start = datetime.combine(day, datetime.min.time(), tzinfo=timezone.get_current_timezone())
    return uuid.UUID(int=(int(start.timestamp() * 1000) & ((1 << 48) - 1)) << 80)


def ids_beginning_with(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The range of ids that begin so; None when it is no beginning of an id."""
    digits = text.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return uuid.UUID(hex=digits.ljust(32, "0")), uuid.UUID(hex=digits.ljust(32, "f"))
