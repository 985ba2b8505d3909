"""Incidents: what is wrong, who looks after it, what it broke, and repairing all of that."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.badges import EMPTY, badge
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import Role
from runs import words
from runs.admin import verbs
from runs.admin.bulk import MANY, retry_begin
from runs.admin.filters import DaysFilter, JobFilter, OpenFilter
from runs.admin.pages import HistoryAdmin, reader_sees
from runs.admin.run import ReasonForm
from runs.bulk import MOST_ITEMS
from runs.models import ConnectionHold, Incident, Run
from runs.models.engine import HoldStage
from runs.models.incident import IncidentKind
from runs.notifications.hints import hint_of
from runs.notifications.outlook import outlook_of
from runs.pressing import pressed
from runs.selectors import incidents as selectors
from runs.templatetags.runs import when


def _take(request: HttpRequest, incident: Incident, _values: dict[str, Any]) -> str:
    verbs.take(incident=incident, by=actor_of(request))
    return "You look after it now; the others see that."


def _dismiss(request: HttpRequest, incident: Incident, values: dict[str, Any]) -> str:
    verbs.put_aside(incident=incident, by=actor_of(request), reason=values["reason"])
    return "The incident is closed; its failures no longer count."


def _is_open(incident: Incident) -> bool:
    return incident.closed_at is None


@admin.register(Incident)
class IncidentAdmin(HistoryAdmin):
    empty = "Equal failures are taken together in one incident. There was none yet."
    page_template = "admin/runs/incident/page.html"
    installation_rows = True
    list_display = ("state_badge", "what", "since", "times", "looks_after", "last")
    list_display_links = ("what",)
    list_select_related = ("job", "taken_by")
    list_filter = (OpenFilter, JobFilter, DaysFilter)
    search_fields = ("title", "error_type")
    search_help_text = "Words of the title, or an error type"
    ordering = (F("closed_at").desc(nulls_first=True), "-last_at")
    deeds = (
        Deed(
            name="take",
            label=lambda incident: "Take over" if incident.taken_by_id else "Take",
            role=Role.OPERATOR,
            do=_take,
            applies=_is_open,
            icon="front_hand",
            tone="primary",
            hint="Tell the others that you look after it",
        ),
        Deed(
            name="dismiss",
            label="Dismiss",
            role=Role.OPERATOR,
            do=_dismiss,
            applies=_is_open,
            form=ReasonForm,
            icon="done_all",
            hint="Close it and put its failures aside, with a reason",
        ),
    )

    @admin.display(description="state")
    def state_badge(self, incident: Incident) -> SafeString:
        if incident.closed_at is not None:
            return badge("Closed", "plain", words.said(incident.closed_reason, sees=reader_sees(incident)))
        return badge("Open", "bad", "It lasts.")

    @admin.display(description="what")
    def what(self, incident: Incident) -> SafeString:
        below = incident.job.name if incident.job else incident.get_kind_display()
        return format_html('{}<span class="ws-soft ws-small run-second">{}</span>', incident.title, below)

    @admin.display(description="since")
    def since(self, incident: Incident) -> SafeString | str:
        return when(incident.opened_at)

    @admin.display(description="times")
    def times(self, incident: Incident) -> str:
        return f"{incident.count:,}"

    @admin.display(description="looks after it")
    def looks_after(self, incident: Incident) -> SafeString | str:
        if incident.taken_by:
            return str(incident.taken_by)
        return EMPTY if incident.closed_at else badge("Nobody yet", "warn")

    @admin.display(description="last")
    def last(self, incident: Incident) -> SafeString | str:
        return when(incident.last_at)

    # --- the page -------------------------------------------------------------------------------------

    def page_row(self, request: HttpRequest, object_id: str) -> Incident:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related("project", "job", "taken_by")
        found: Incident | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def page_more(self, request: HttpRequest, thing: Incident) -> dict[str, Any]:
        letters = selectors.mails(incident=thing)
        sees = self.may_see_data(request, thing)
        sentence = words.said_by_incident(thing, sees=sees)
        return {
            "incident": thing,
            "sentence": sentence or thing.title,
            "hidden": words.PARTS_HIDDEN if sentence != thing.message else "",
            "hint": hint_of(incident=thing) if _is_open(thing) else "",
            "outlook": outlook_of(incident=thing) if _is_open(thing) else "",
            "steps": selectors.timeline(incident=thing, letters=letters, sees=sees),
            "mails": letters,
            "job_url": _job_url(thing),
            "held": self.held(thing),
            **self.runs_context(thing),
        }

    def runs_context(self, incident: Incident) -> dict[str, Any]:
        repairs, cut = selectors.repairs(incident=incident)
        return {
            "repairs": repairs,
            "cut": cut,
            "under_way": any(repair.under_way for repair in repairs),
        }

    def held(self, incident: Incident) -> list[ConnectionHold]:
        if incident.kind != IncidentKind.HOLD or incident.project_id is None:
            return []
        rows = ConnectionHold.objects.filter(project_id=incident.project_id).exclude(stage=HoldStage.OPEN)
        return list(rows.select_related("credential__credential")[:20])

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        incident = thing
        found = super().buttons(request, thing)
        if self.may(request, Role.OPERATOR, incident) and selectors.unrepaired(incident=incident).exists():
            found.append(
                Button(
                    url=self.url_of("retry", incident.pk),
                    label="Retry all",
                    asks=True,
                    icon="replay",
                    tone="plain",
                    hint="Run again what failed and nobody has retried, caught or put aside",
                )
            )
        return found

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "retry": self.retry_view, "runs": self.runs_view}

    def runs_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The table of runs, while some of them are being retried."""
        incident = self.page_row(request, object_id)
        context = {"incident": incident, **self.runs_context(incident)}
        return TemplateResponse(request, "admin/runs/incident/runs.html", context)

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """All its unrepaired failures, or the oldest one first. Many are left to workers."""
        incident = self.page_row(request, object_id)
        if not self.may(request, Role.OPERATOR, incident):
            raise Http404
        rows = selectors.unrepaired(incident=incident)
        back = self.url_of("change", incident.pk)
        many = len(rows.values_list("pk")[: MANY + 1]) > MANY
        if request.method != "POST":
            count = rows[: MOST_ITEMS + 1].count()
            if not count:
                messages.info(request, "Nothing is left to retry.")
                return HttpResponseRedirect(back)
            context = {
                **self.page_context(request, incident, title="Retry what failed"),
                "count": min(count, MOST_ITEMS),
                "more": count > MOST_ITEMS,
                "many": many,
                "back": back,
            }
            return TemplateResponse(request, "admin/runs/incident/retry.html", context)
        if many:
            oldest = rows.filter(pk__in=rows.values("pk")[:MOST_ITEMS])
            return retry_begin(request, oldest, across=True, one_first="one" in request.POST)
        if "one" in request.POST and incident.project_id is not None:
            self.retry_one(request, incident, incident.project_id)
        else:
            self.retry_rows(request, list(rows[:MANY]))
        return HttpResponseRedirect(f"{back}#runs")

    def retry_one(self, request: HttpRequest, incident: Incident, project_id: uuid.UUID) -> None:
        """The oldest; a second press must not take the next one."""

        def retry() -> Incident:
            self.retry_rows(request, list(selectors.unrepaired(incident=incident)[:1]))
            return incident

        _, again = pressed(request, project_id=project_id, do=retry)
        if again:
            messages.info(request, "You have pressed this already; the table shows what comes of it.")

    def retry_rows(self, request: HttpRequest, rows: list[Run]) -> None:
        if not rows:
            messages.info(request, "Nothing is left to retry.")
        good, refused = verbs.retry_each(runs=rows, by=actor_of(request))
        if good:
            messages.success(request, f"{plural(good, 'run')} retried; the table shows what comes of each.")
        for sentence, count in refused.items():
            messages.error(request, f"{count} not retried: {sentence}")


def _job_url(incident: Incident) -> str:
    if incident.job_id is None:
        return ""
    try:
        return reverse("admin:jobs_job_change", args=[incident.job_id])
    except NoReverseMatch:
        return ""
