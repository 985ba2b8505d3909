"""*Would this message match?*: a message beside an inbox, and what the inbox would do with it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from triggers.models import Inbox
from triggers.would_match import WouldMatch, would_match

MOST = 200_000  # characters: matching them is quick, a page with them is not
SHOWN = 50  # triggers that would start nothing; with more, the API tells all

_OUTCOMES = {
    "run": ("would run", "good"),
    "paused": ("is paused: a run would be made and wait", "warn"),
    "off": ("is off: nothing would start", "plain"),
    "archived": ("was put away: nothing would start", "plain"),
}


class MessageForm(forms.Form):
    message = forms.CharField(
        label="A message, as it is sent",
        max_length=MOST,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "false", "autocomplete": "off"}),
        help_text="JSON, XML or a form. Nothing of it is kept, and nothing is started.",
    )


def would_match_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    inbox: Inbox = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.VIEWER, inbox):
        raise PermissionDenied
    form = MessageForm(request.POST or None)
    context = {
        **model_admin.page_context(request, inbox, title="Would this message match?"),
        "form": form,
        "back": model_admin.url_of("change", inbox.pk),
    }
    if request.method == "POST" and form.is_valid():
        found = would_match(inbox=inbox, by=actor_of(request), text=form.cleaned_data["message"])
        context |= _shown(found)
    return TemplateResponse(request, "workspace/would_match.html", context)


def _shown(found: WouldMatch) -> dict[str, Any]:
    starting = [verdict for verdict in found.verdicts if verdict.starts]
    others = [verdict for verdict in found.verdicts if not verdict.starts]
    return {
        "found": found,
        "runs": sum(len(jobs) for jobs in found.work_orders.values()),
        "refusal_errors": found.refusal.context.get("errors", []) if found.refusal else [],
        "starting": [
            (verdict.listener, [(job.name, *_OUTCOMES[job.outcome]) for job in verdict.listener.jobs])
            for verdict in starting
        ],
        "others": others[:SHOWN],
        "others_count": len(others),
    }
