"""Choosing what a message trigger starts from: an example, something pasted, or a message that arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.models import Workflow
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.triggerpage.starts import duplicates_of, example_or_404
from openfn_platform.workspace.triggerpage.workflows import workflows_edited
from triggers.examples.catalogue import Example, by_system
from triggers.models import Message, TriggerKind

NEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Group:
    """The examples of one system, each with whether it fits what is searched for."""

    system: str
    entries: list[tuple[Example, bool]]

    @property
    def fits(self) -> bool:
        return any(fits for _example, fits in self.entries)


def picker_view(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """The list; with `example=…` the page of one."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    wanted = as_uuid(request.GET.get("workflow", ""))
    if wanted is None:
        return HttpResponseRedirect(model_admin.url_of("add"))
    workflow = next((each for each in workflows_edited(model_admin, request) if each.pk == wanted), None)
    if workflow is None:
        raise Http404
    draw = _one if "example" in request.GET else _all
    return draw(model_admin, request, workflow)


def _all(model_admin: Any, request: HttpRequest, workflow: Workflow) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    groups = _groups(words)
    sees = actor_of(request).may_see_data(workflow.project)
    context = {
        **model_admin.page_context(request, title="Start from an example"),
        "workflow": workflow,
        "words": words,
        "groups": groups,
        "fitting": any(group.fits for group in groups),
        "add_url": _add_url(model_admin, workflow),
        "sees": sees,
        "arrived": _newest(workflow) if sees else [],
    }
    return TemplateResponse(request, "workspace/trigger_examples.html", context)


def _one(model_admin: Any, request: HttpRequest, workflow: Workflow) -> HttpResponse:
    example = example_or_404(request)
    context = {
        **model_admin.page_context(request, title=f"{example.system}: {example.title}"),
        "workflow": workflow,
        "example": example,
        "duplicates": duplicates_of(example, workflow.project),
        "may_set": model_admin.may(request, Role.ADMIN, workflow),
        "add_url": _add_url(model_admin, workflow),
        "list_url": reverse("admin:triggers_trigger_examples", query={"workflow": str(workflow.pk)}),
    }
    return TemplateResponse(request, "workspace/trigger_example.html", context)


def _groups(words: str) -> list[Group]:
    """All of them: what does not fit is there and hidden, so that typing can bring it back."""
    wanted = words.lower().split()
    return [
        Group(
            system=system,
            entries=[
                (example, all(word in f"{system} {example.title} {example.what}".lower() for word in wanted))
                for example in found
            ],
        )
        for system, found in by_system()
    ]


def _add_url(model_admin: Any, workflow: Workflow) -> str:
    return reverse(
        "admin:triggers_trigger_add", query={"kind": TriggerKind.MESSAGE.value, "workflow": str(workflow.pk)}
    )


def _newest(workflow: Workflow) -> list[Message]:
    rows = Message.objects.filter(project=workflow.project, body_wiped_at=None).select_related("inbox")
    return list(rows.order_by("-id")[:NEWEST])
