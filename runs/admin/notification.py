"""Mails, readable here: what was said to whom, and whether it got out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.badges import badge
from runs import words
from runs.admin.filters import DaysFilter, SelectFilter
from runs.admin.pages import HistoryAdmin
from runs.models import Notification, NotificationState
from runs.models.incident import OWN_WORDS
from runs.notifications.links import incident_url, run_url
from runs.notifications.personal import ACCOUNT, WIPED
from runs.templatetags.runs import when
from runs.words import Tone

TONES: dict[str, Tone] = {
    NotificationState.WAITING: "busy",
    NotificationState.SENT: "good",
    NotificationState.GATHERED: "good",
    NotificationState.GIVEN_UP: "bad",
}


class MailStateFilter(SelectFilter):
    title, parameter_name = "state", "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in NotificationState.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(HistoryAdmin):
    empty = "Mails about failures, and about what is well again, stand here with whether they were sent."
    page_template = "admin/runs/notification.html"
    installation_rows = True
    list_display = ("state_badge", "subject", "recipient", "written", "sent", "attempts")
    list_display_links = ("subject",)
    list_filter = (MailStateFilter, DaysFilter)
    search_fields = ("recipient", "subject")
    search_help_text = "An address, or words of the subject"

    def list_rows(self, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        return queryset.defer("text")

    @admin.display(description="state")
    def state_badge(self, mail: Notification) -> SafeString:
        return badge(mail.get_state_display(), TONES.get(mail.state, "plain"), mail.error)

    @admin.display(description="written")
    def written(self, mail: Notification) -> SafeString | str:
        return when(mail.created_at)

    @admin.display(description="sent")
    def sent(self, mail: Notification) -> SafeString | str:
        return when(mail.sent_at)

    def page_row(self, request: HttpRequest, object_id: str) -> Notification:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related("project", "incident")
        found: Notification | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def page_title(self, thing: Notification) -> str:
        return "Mail"

    def page_more(self, request: HttpRequest, thing: Notification) -> dict[str, Any]:
        if thing.kind == ACCOUNT:
            thing.text = WIPED  # it may hold a key, and is for its reader alone
        text = _readable(thing, sees=self.may_see_data(request, thing))
        hidden = words.PARTS_HIDDEN if text != thing.text else ""
        return {"mail": thing, "text": text, "hidden": hidden, "tone": TONES.get(thing.state, "plain")}


def _readable(mail: Notification, *, sees: bool) -> str:
    """Where the project lets mails say what an error said, they may quote a patient; not all who read here may.

    Only mails about such an incident can: lists hold subjects, and the rest are the platform's own words.
    """
    incident = mail.incident
    if sees or incident is None or incident.kind in OWN_WORDS:
        return mail.text
    links = {incident_url(incident)} | ({run_url(incident.last_run_id)} if incident.last_run_id else set())
    return "\n".join(
        line if line in links else words.said(line, sees=False) for line in mail.text.split("\n")
    )
