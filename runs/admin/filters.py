"""Filters of the history's lists. They stand in the address, work without scripts, and use indexes that exist."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from jobs.models import Job, Workflow
from openfn_platform.common.ids import uuid7_first
from openfn_platform.projects import adminfilters
from openfn_platform.projects.adminfilters import MOST_CHOICES, RelatedFilter, SelectFilter
from runs.models import Run, RunMode, RunState
from runs.words import GROUPS
from triggers.models import Inbox, Trigger

__all__ = ["MOST_CHOICES", "SelectFilter"]


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


class DaysFilter(adminfilters.DaysFilter):
    """By id: ids sort by time and are indexed."""

    def between(self, queryset: QuerySet[Any], start: datetime | None, end: datetime | None) -> QuerySet[Any]:
        if start:
            queryset = queryset.filter(pk__gte=uuid7_first(start))
        if end:
            queryset = queryset.filter(pk__lt=uuid7_first(end))
        return queryset


def ids_beginning_with(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The range of ids that begin so; None when it is no beginning of an id."""
    digits = text.replace("-", "").lower()
    if not 4 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return uuid.UUID(hex=digits.ljust(32, "0")), uuid.UUID(hex=digits.ljust(32, "f"))
