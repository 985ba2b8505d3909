"""Which rows an actor may find at all. Every admin page, API view and selector begins here.

A superuser sees every project. Archived projects are left out unless they are asked for.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models
from django.db.models import QuerySet

from openfn_platform.projects.actors import Actor
from openfn_platform.projects.models import Project

Row = TypeVar("Row", bound=models.Model)


def visible_projects(actor: Actor, *, archived: bool = False) -> QuerySet[Project]:
    """The projects that the actor belongs to."""
    return scoped(Project.objects.all(), actor, path="pk", archived=archived)


def scoped(
    queryset: QuerySet[Row], actor: Actor, path: str = "project", *, archived: bool = False
) -> QuerySet[Row]:
    """The rows of `queryset` whose project, found along `path`, the actor may see."""
    if actor.is_superuser:
        if archived:
            return queryset
        return queryset.filter(**{f"{path}__in": Project.objects.filter(archived_at=None).values("pk")})
    # Ids and not a join: lists of runs stay on their index by project.
    found = [key for key, standing in actor.standings.items() if archived or not standing.archived]
    return queryset.filter(**{f"{path}__in": found})
