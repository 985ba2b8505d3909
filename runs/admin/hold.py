"""Connections on hold: what waits because a system is down or refuses its password."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import Http404, HttpRequest
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import By, actor_of, require
from openfn_platform.projects.auditing import audit
from openfn_platform.projects.badges import EMPTY, badge
from openfn_platform.projects.deeds import Deed
from openfn_platform.projects.models import Role
from runs.admin.filters import SelectFilter
from runs.admin.pages import HistoryAdmin, reader_sees
from runs.holds import hold_release
from runs.models import ConnectionHold, Run, RunState
from runs.models.engine import HoldStage
from runs.templatetags.runs import when
from runs.words import PARTS_HIDDEN, Tone, said_by_hold

TONES: dict[str, Tone] = {
    HoldStage.OPEN: "good",
    HoldStage.UNPROVEN: "plain",
    HoldStage.HELD: "bad",
    HoldStage.WARMING: "warn",
}
MOST_COUNTED = 1_000


@transaction.atomic
def release(*, hold: ConnectionHold, by: By) -> None:
    """A person says that the system can be used again; what waited goes on."""
    require(by, hold.project_id, Role.OPERATOR)
    hold_release(hold=hold)
    audit("connection released", by, project=hold.project, target=hold.credential.credential)


def _release(request: HttpRequest, hold: ConnectionHold, _values: dict[str, Any]) -> str:
    release(hold=hold, by=actor_of(request))
    return "The connection is in use again; what waited for it goes on."


def _question(hold: ConnectionHold) -> str:
    if hold.because_of_auth:
        return (
            "The system refused the user name or password. Correct and test the credential first: one more wrong "
            "try could lock the account, and everything that waits would try at once."
        )
    return "Everything that waits for it runs at once. If the system is still down, it goes on hold again."


class StageFilter(SelectFilter):
    title, parameter_name = "stage", "stage__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in HoldStage.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(stage=self.value()) if self.value() else queryset


@admin.register(ConnectionHold)
class HoldAdmin(HistoryAdmin):
    empty = "A connection that fails again and again is put on hold, and its runs wait. None is on hold now."
    page_template = "admin/runs/hold.html"
    list_display = ("stage_badge", "connection", "why", "failures", "since", "next_probe")
    list_display_links = ("connection",)
    list_select_related = ("credential__credential",)
    list_filter = (StageFilter,)
    ordering = ("-held_at", "-id")
    deeds = (
        Deed(
            name="release",
            label="Release",
            role=Role.OPERATOR,
            do=_release,
            applies=lambda hold: hold.stage in (HoldStage.HELD, HoldStage.WARMING),
            ask=_question,
            icon="play_circle",
            tone="primary",
        ),
    )

    @admin.display(description="stage")
    def stage_badge(self, hold: ConnectionHold) -> SafeString:
        word, _, meaning = str(hold.get_stage_display()).partition(", ")
        return badge(word, TONES.get(hold.stage, "plain"), meaning)

    @admin.display(description="credential")
    def connection(self, hold: ConnectionHold) -> str:
        return str(hold.credential.credential)

    @admin.display(description="reason")
    def why(self, hold: ConnectionHold) -> str:
        return said_by_hold(hold, sees=reader_sees(hold)) or EMPTY

    @admin.display(description="failures in a row")
    def failures(self, hold: ConnectionHold) -> str:
        return f"{hold.connection_failures} of the connection, {hold.auth_failures} of the log-in"

    @admin.display(description="since")
    def since(self, hold: ConnectionHold) -> SafeString | str:
        return when(hold.held_at)

    @admin.display(description="next probe")
    def next_probe(self, hold: ConnectionHold) -> SafeString | str:
        if hold.stage != HoldStage.HELD:
            return EMPTY
        return (
            "none: the credential must be tested first" if hold.because_of_auth else when(hold.next_probe_at)
        )

    def page_row(self, request: HttpRequest, object_id: str) -> ConnectionHold:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related("project", "credential__credential")
        found: ConnectionHold | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def page_title(self, thing: ConnectionHold) -> str:
        return f"Connection “{thing.credential.credential.name}”"

    def page_more(self, request: HttpRequest, thing: ConnectionHold) -> dict[str, Any]:
        waiting = Run.objects.filter(
            project_id=thing.project_id,
            state=RunState.AVAILABLE,
            job__live_version__connections__credential_id=thing.credential_id,
        )
        sentence = said_by_hold(thing, sees=self.may_see_data(request, thing))
        return {
            "hold": thing,
            "sentence": sentence,
            "hidden": PARTS_HIDDEN if sentence != thing.reason else "",
            "stage": self.stage_badge(thing),
            "probe": self.next_probe(thing),
            "waiting": waiting.order_by()[: MOST_COUNTED + 1].count(),
            "most": MOST_COUNTED,
        }
