"""Filters of admin lists. They offer only what the person may see, stand in the address, and work without scripts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.admin import ListFilter, RelatedFieldListFilter, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import current_project
from openfn_platform.projects.models import Membership, Project, User
from openfn_platform.projects.scoping import scoped, visible_projects

MOST_CHOICES = 300


def related_rows(request: HttpRequest, model: Any) -> QuerySet[Any]:
    """The rows of a related model that may be named to this person."""
    actor = actor_of(request)
    if model is Project:
        return visible_projects(actor)
    if model is User:
        if actor.is_superuser:
            return User.objects.all()
        fellows = scoped(Membership.objects.all(), actor).values("user")
        return User.objects.filter(pk__in=fellows)
    manager: QuerySet[Any] = model._default_manager.all()
    if any(field.name == "project" for field in model._meta.get_fields()):
        return scoped(manager, actor)
    return manager if actor.is_superuser else manager.none()


class ScopedRelatedFilter(RelatedFieldListFilter):
    """Choices are the visible rows, of the current project if there is one."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        rows = related_rows(request, field.remote_field.model)
        project = current_project(request)
        if project is not None and field.remote_field.model not in (Project, User):
            rows = rows.filter(project=project)
        return [(row.pk, str(row)) for row in rows[:200]]


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
    of_project = True  # the rows belong to projects

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = related_rows(request, self.model)
        project = current_project(request)
        if project is not None and self.of_project:
            rows = rows.filter(project=project)
        return [(str(row.pk), str(row)) for row in rows.order_by("name", "pk")[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if not wanted:
            return queryset
        key = as_uuid(wanted)
        return queryset.none() if key is None else queryset.filter(**{self.column: key})


class DaysFilter(ABC, ListFilter):
    """From one day to another, in the person's time zone."""

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
        return self.between(
            queryset,
            start_of(first) if first else None,
            start_of(last + timedelta(days=1)) if last else None,
        )

    @abstractmethod
    def between(self, queryset: QuerySet[Any], start: datetime | None, end: datetime | None) -> QuerySet[Any]:
        """The rows from `start` on and before `end`."""


def start_of(day: date) -> datetime:
    """Its first moment in the person's time zone."""
    return datetime.combine(day, datetime.min.time(), tzinfo=timezone.get_current_timezone())


def _day(text: object) -> date | None:
    try:
        day = parse_date(str(text))
    except ValueError:
        return None
    return day if day is not None and 1990 < day.year < 3000 else None
