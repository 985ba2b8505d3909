"""What a run starts with, as a body names it: ids become rows of the token's project, or are not found."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from openfn_platform.common.errors import NotFound
from openfn_platform.projects.api.base import ProjectViewSet
from openfn_platform.projects.scoping import scoped
from runs.models import Run, State, StateKind
from runs.starting import Input
from triggers.models import Message


def input_of(view: ProjectViewSet[Any], values: Mapping[str, Any]) -> Input:
    def row(name: str, rows: QuerySet[Any], noun: str) -> Any:
        key: uuid.UUID | None = values.get(name)
        if key is None:
            return None
        found = scoped(rows, view.actor).filter(pk=key).first()
        if found is None:
            raise NotFound(f"There is no {noun} by that id.")
        return found

    return Input(
        message=row("message", Message.objects.select_related("payload", "project"), "message"),
        run=row("run", Run.objects.all(), "run"),
        saved=row("saved", State.objects.filter(kind=StateKind.SAVED).defer("body"), "saved input"),
        data=values.get("data"),
        state=values.get("state"),
    )
