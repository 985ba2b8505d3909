"""The pages on which a trigger is made and changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from jobs.models import Workflow
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.triggerpage.forms import (
    FIELD_OF,
    FORMS,
    PairRows,
    TriggerForm,
    initial_of,
    pairs_initial,
    spec_of,
)
from openfn_platform.workspace.triggerpage.starts import Start, duplicates_of, start_of
from openfn_platform.workspace.triggerpage.trying import PREFIX, sample_tried
from openfn_platform.workspace.triggerpage.workflows import workflows_edited
from openfn_platform.workspace.words import outcome_badge
from runs.models import Memory, Run
from triggers.editing import trigger_change, trigger_create
from triggers.models import Slot, Trigger, TriggerKind
from triggers.schedules import describe
from triggers.timetable import schedule_of, zone_name

KINDS = (
    (TriggerKind.MESSAGE, "inbox", "A message", "A partner system posts a message that fits criteria."),
    (TriggerKind.SCHEDULE, "schedule", "A schedule", "At certain times: cron, every two weeks, once."),
    (
        TriggerKind.FLOW,
        "account_tree",
        "Another job’s end",
        "When a job succeeds, fails, or ends either way.",
    ),
)
SHOWN = 8
CHECK = "_check"


def add_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Kind and workflow first, then the form with only the fields of that kind."""
    workflows = workflows_edited(model_admin, request)
    kind = request.GET.get("kind", "")
    wanted = as_uuid(request.GET.get("workflow", ""))
    chosen = next((each for each in workflows if each.pk == wanted), None)
    if wanted is not None and chosen is None:
        raise Http404
    if kind not in FORMS or chosen is None:
        context = {
            **model_admin.page_context(request, title="Add a trigger"),
            "kinds": KINDS,
            "workflows": workflows,
            "chosen": chosen,
        }
        return TemplateResponse(request, "workspace/trigger_kind.html", context)
    start = start_of(model_admin, request, chosen) if kind == TriggerKind.MESSAGE else Start()
    form = _form(request, kind, chosen, {"name": start.name})
    pairs = _pairs(request, start.criteria)
    if _saving(request) and _valid(form, pairs, kind):
        try:
            trigger = trigger_create(
                name=form.cleaned_data["name"],
                spec=spec_of(form, pairs),
                workflow=chosen,
                jobs=list(form.cleaned_data["jobs"]),
                settings=form.cleaned_data["settings"],
                by=actor_of(request),
            )
        except PlatformError as error:
            refuse(form, pairs, error)
        else:
            messages.success(
                request, f"“{trigger.name}” is there. It is off: switch it on when all is ready."
            )
            return HttpResponseRedirect(model_admin.url_of("change", trigger.pk))
    return _draw(model_admin, request, form, pairs, kind=kind, workflow=chosen, trigger=None, start=start)


def change_page(model_admin: Any, request: HttpRequest, trigger: Trigger) -> HttpResponse:
    may_edit = model_admin.may(request, Role.EDITOR, trigger)
    if request.method == "POST" and not may_edit:
        raise PermissionDenied
    form = _form(request, trigger.kind, trigger.workflow, initial_of(trigger))
    pairs = _pairs(request, trigger.criteria)
    if _saving(request) and _valid(form, pairs, trigger.kind):
        try:
            trigger_change(
                trigger=Trigger.objects.get(pk=trigger.pk),
                by=actor_of(request),
                name=form.cleaned_data["name"],
                spec=spec_of(form, pairs),
                jobs=list(form.cleaned_data["jobs"]),
                settings=form.cleaned_data["settings"],
            )
        except PlatformError as error:
            refuse(form, pairs, error)
        else:
            messages.success(request, "Saved.")
            return HttpResponseRedirect(request.path)
    return _draw(
        model_admin, request, form, pairs, kind=trigger.kind, workflow=trigger.workflow, trigger=trigger
    )


def refuse(form: TriggerForm, pairs: Any, error: PlatformError) -> None:
    """The verb's sentence at the field that it is about."""
    named = str(error.context.get("field") or "")
    field = FIELD_OF.get(named, named)
    if named == "criteria":
        pairs.refusal = error.message
    form.add_error(field if field in form.fields else None, error.message)


def _saving(request: HttpRequest) -> bool:
    """Not when somebody without JavaScript only asks whether a message would match."""
    return request.method == "POST" and CHECK not in request.POST


def _form(request: HttpRequest, kind: str, workflow: Workflow, initial: dict[str, Any]) -> TriggerForm:
    if CHECK in request.POST:  # what is not filled in yet is no mistake
        typed = {name: request.POST[name] for name in ("name", "settings") if name in request.POST}
        return FORMS[kind](
            workflow=workflow, initial={**initial, **typed, "jobs": request.POST.getlist("jobs")}
        )
    return FORMS[kind](request.POST or None, workflow=workflow, initial=initial)


def _pairs(request: HttpRequest, criteria: Sequence[dict[str, Any]]) -> Any:
    return PairRows(request.POST or None, prefix=PREFIX, initial=pairs_initial(criteria))


def _valid(form: TriggerForm, pairs: Any, kind: str) -> bool:
    good = form.is_valid()
    return (pairs.is_valid() and good) if kind == TriggerKind.MESSAGE else good


def _draw(
    model_admin: Any,
    request: HttpRequest,
    form: TriggerForm,
    pairs: Any,
    *,
    kind: str,
    workflow: Workflow,
    trigger: Trigger | None,
    start: Start | None = None,
) -> HttpResponse:
    name = next(title for value, _icon, title, _help in KINDS if value == kind)
    context = {
        **model_admin.page_context(
            request, trigger, title=trigger.name if trigger else f"Add: {name.lower()}"
        ),
        "form": form,
        "pairs": pairs,
        "kind": kind,
        "kind_name": name,
        "workflow": workflow,
        "trigger": trigger,
        "may_edit": trigger is None or model_admin.may(request, Role.EDITOR, trigger),
        "preview_url": reverse("admin:triggers_trigger_preview"),
        "media": model_admin.media + form.media + pairs.media,
        "change_url": "",
    }
    if kind == TriggerKind.MESSAGE:
        context |= _match(
            request, pairs, workflow, start or Start(criteria=trigger.criteria if trigger else ())
        )
    if trigger is not None:
        context |= _surroundings(model_admin, request, trigger)
    return TemplateResponse(request, "workspace/trigger.html", context)


def _match(request: HttpRequest, pairs: Any, workflow: Workflow, start: Start) -> dict[str, Any]:
    """A message to try the criteria on, and what comes of it."""
    sample = start.sample
    criteria: Sequence[dict[str, Any]] | None = start.criteria
    if request.method == "POST":
        sample = request.POST.get("sample", "")
        criteria = pairs.kept() if pairs.is_valid() else None
    return {
        "sample": sample,
        "start": start,
        "duplicates": duplicates_of(start.example, workflow.project) if start.example else None,
        "tried": sample_tried(sample, criteria),
        "match_url": reverse("admin:triggers_trigger_match"),
        "examples_url": reverse("admin:triggers_trigger_examples", query={"workflow": str(workflow.pk)}),
        "check": CHECK,
    }


def _surroundings(model_admin: Any, request: HttpRequest, trigger: Trigger) -> dict[str, Any]:
    """What it did and how it was."""
    runs = Run.objects.filter(trigger=trigger).select_related("job").order_by("-id")[:SHOWN]
    schedule = trigger.kind == TriggerKind.SCHEDULE
    return {
        "deed_buttons": model_admin.buttons(request, trigger),
        "words": in_words(trigger),
        "next_time": in_its_zone(trigger),
        "runs": [(run, outcome_badge(run.state, run.mode)) for run in runs],
        "slots": Slot.objects.filter(trigger=trigger)[:SHOWN] if schedule else [],
        "memories": Memory.objects.filter(trigger=trigger).select_related("job") if schedule else [],
        "revisions": trigger.revisions.select_related("author")[:SHOWN],
        "inboxes": trigger.inboxes.filter(archived_at=None),
    }


def in_its_zone(trigger: Trigger) -> str:
    """The next firing on the clock that the schedule goes by, which may not be the reader's."""
    if trigger.next_slot_at is None:
        return ""
    return f"{trigger.next_slot_at.astimezone(ZoneInfo(zone_name(trigger))):%a %d %b %Y, %H:%M %Z}"


def in_words(trigger: Trigger) -> str:
    """What starts it, as a sentence."""
    if trigger.kind == TriggerKind.SCHEDULE:
        try:
            said = describe(schedule_of(trigger))
            return said[:1].upper() + said[1:]
        except PlatformError as error:
            return error.message
    if trigger.kind == TriggerKind.FLOW:
        who = trigger.upstream.name if trigger.upstream else trigger.get_upstream_scope_display()
        return f"When {who} {trigger.get_event_display()}"
    count = len(trigger.criteria)
    return "Messages that fit the criteria" if count == 1 else f"Messages that fit one of {count} criteria"
