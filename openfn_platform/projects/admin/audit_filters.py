"""What can be asked of the audit's list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from openfn_platform.projects.adminfilters import DaysFilter, RelatedFilter, SelectFilter
from openfn_platform.projects.models import ApiToken, User
from openfn_platform.projects.selectors.audit import actions_known


class OpenedFilter(SelectFilter):
    title, parameter_name = "personal data", "opened"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "only what was opened or exported"), ("0", "only changes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(opened=self.value() == "1") if self.value() in ("0", "1") else queryset


class ActionFilter(SelectFilter):
    title, parameter_name = "deed", "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in actions_known()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class KindFilter(SelectFilter):
    title, parameter_name = "kind of thing", "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = {
            str(model._meta.verbose_name): model._meta.model_name or "" for model in admin.site._registry
        }
        return [(name, words) for words, name in sorted(kinds.items())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class PersonFilter(RelatedFilter):
    title, parameter_name, model, column = "person", "actor", User, "actor_id"
    of_project = False  # who has left is still in the history; the list is of all fellows


class TokenFilter(RelatedFilter):
    title, parameter_name, model, column = "token", "token", ApiToken, "token_id"


class MomentFilter(DaysFilter):
    def between(self, queryset: QuerySet[Any], start: datetime | None, end: datetime | None) -> QuerySet[Any]:
        if start:
            queryset = queryset.filter(at__gte=start)
        return queryset.filter(at__lt=end) if end else queryset


FILTERS = (OpenedFilter, ActionFilter, PersonFilter, TokenFilter, KindFilter, MomentFilter)
