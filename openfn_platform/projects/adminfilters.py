"""Filters of admin lists that offer only what the person may see."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import RelatedFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.current import current_project
from openfn_platform.projects.models import Membership, Project, User
from openfn_platform.projects.scoping import scoped, visible_projects


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
