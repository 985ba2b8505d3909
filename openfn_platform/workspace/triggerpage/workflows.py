"""The workflows of which a person may see or make triggers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from jobs.models import Workflow
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.projects.scoping import scoped


def workflow_seen(request: HttpRequest, key: str) -> Workflow | None:
    found = as_uuid(key)
    if found is None:
        return None
    rows = scoped(Workflow.objects.filter(pk=found), actor_of(request))
    return rows.select_related("project").first()


def workflows_edited(model_admin: Any, request: HttpRequest) -> list[Workflow]:
    projects = model_admin.projects_for(request, Role.EDITOR)
    rows = Workflow.objects.filter(archived_at=None, project__in=projects)
    return list(rows.select_related("project").order_by("project__name", "name", "pk"))
