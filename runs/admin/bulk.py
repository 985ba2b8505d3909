"""Bulk operations: how far each is, what came of each item, what it waits for; and stopping one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Job
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.badges import badge
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.deeds import Deed as Button
from openfn_platform.projects.models import Project, Role
from runs.admin.pages import HistoryAdmin, number_of
from runs.bulk import Chosen, NothingChosen, Order, bulk_begin, bulk_cancel
from runs.bulk_deeds import WAYS
from runs.models import BulkItem, BulkOperation, BulkState, Deed, Run
from runs.models.bulk import MOST_UNDER_WAY
from runs.pressing import AGAIN, pressed
from runs.selectors.bulk import CAME, counts_of, note_of, reasons_of, table, waits_for
from runs.selectors.choosing import outlook
from runs.templatetags.runs import when

MANY = MOST_UNDER_WAY  # more than so many are done by workers: they begin no more at once, and stop when these fail
ONE_FIRST_FROM = 11  # from so many on the page proposes to try one first
SHOWN = 50
TONES = {
    BulkState.WAITING: "busy",
    BulkState.RUNNING: "busy",
    BulkState.DONE: "good",
    BulkState.STOPPED: "bad",
}
CAME_TONES = {"succeeded": "good", "failed": "bad", "under_way": "busy", "left_out": "warn"}


def _cancel(request: HttpRequest, operation: BulkOperation, _values: dict[str, Any]) -> str:
    bulk_cancel(operation=operation, by=actor_of(request))
    return "Stopped. What is done stays done; the rest is left as it is."


@admin.register(BulkOperation)
class BulkOperationAdmin(HistoryAdmin):
    empty = "Choose several runs or messages in their list, then an action: how far it is shows here."
    page_template = "admin/runs/bulk/page.html"
    list_display = ("state_badge", "what", "progress", "asker", "begun")
    list_display_links = ("what",)
    deeds = (
        Button(
            name="cancel",
            label="Stop it",
            role=Role.OPERATOR,
            do=_cancel,
            applies=lambda operation: operation.is_open,
            ask="What is done stays done; the rest is left as it is.",
            tone="danger",
            icon="cancel",
        ),
    )

    @admin.display(description="state")
    def state_badge(self, operation: BulkOperation) -> SafeString:
        return badge(operation.get_state_display(), tone_of(operation), operation.note)  # type: ignore[arg-type]  # a tone

    @admin.display(description="what")
    def what(self, operation: BulkOperation) -> str:
        return f"{operation.get_deed_display()}: {operation.total:,}"

    @admin.display(description="how far")
    def progress(self, operation: BulkOperation) -> SafeString:
        parts = [f"{operation.done:,} {'begun' if operation.makes_runs else 'done'}"]
        parts += [f"{operation.failed:,} not"] if operation.failed else []
        parts += [f"{operation.runs_failed:,} failed"] if operation.runs_failed else []
        return format_html('<span class="run-whole">{}</span>', ", ".join(parts))

    @admin.display(description="by")
    def asker(self, operation: BulkOperation) -> str:
        return operation.requested_by_name

    @admin.display(description="begun")
    def begun(self, operation: BulkOperation) -> SafeString | str:
        return when(operation.created_at)

    def page_title(self, thing: BulkOperation) -> str:
        return self.what(thing)

    def page_more(self, request: HttpRequest, thing: BulkOperation) -> dict[str, Any]:
        noun = "message" if thing.deed == Deed.REPROCESS else "run"
        came = request.GET.get("came", "")
        came = came if came in CAME else ""
        after = number_of(request, "after")
        sees = self.may_see_data(request, thing)
        lines, more = table(thing, came=came, after=after, most=SHOWN)
        return {
            "operation": thing,
            "tone": tone_of(thing),
            "note": note_of(thing, sees=sees),
            "waits": waits_for(thing, sees=sees),
            "goes_on": thing.is_open or thing.runs_under_way > 0,
            "reasons": reasons_of(thing) if thing.failed else [],
            "counts": _counts(thing),
            "came": came,
            "lines": [
                (line, target_url(thing, line.item), CAME_TONES.get(line.came, "plain")) for line in lines
            ],
            "after": after,
            "more": lines[-1].item.position if more else 0,
            "noun": noun,
        }


def tone_of(operation: BulkOperation) -> str:
    if operation.state == BulkState.DONE and operation.runs_failed:
        return "warn"
    return TONES.get(BulkState(operation.state), "plain")


def target_url(operation: BulkOperation, item: BulkItem) -> str:
    of_messages = operation.deed == Deed.REPROCESS
    address = "admin:triggers_message_change" if of_messages else "admin:runs_run_change"
    return reverse(address, args=[item.target])


def _counts(operation: BulkOperation) -> list[tuple[str, str, int]]:
    """(what, its word, how many), of what there is."""
    return [(what, CAME[what][0], count) for what, count in counts_of(operation).items() if count]


def retry_begin(
    request: HttpRequest, queryset: QuerySet[Run], *, across: bool, one_first: bool = False
) -> HttpResponse:
    """Let workers retry them: one operation for each project that they belong to.

    Chosen one by one, each gets an answer; of all that a filter finds, those are retried that need it.
    """
    begun: list[uuid.UUID] = []
    told: list[str] = []
    will = 0
    nothing = known = False
    for project in projects_of(request):
        rows = queryset.filter(project=project)
        keys = () if across else tuple(rows.values_list("pk", flat=True))
        if not across and not keys:
            continue
        chosen = Chosen(rows=rows) if across else Chosen(ids=keys)
        order = Order(deed=Deed.RETRY, chosen=chosen, one_first=one_first)
        begin = partial(bulk_begin, project=project, order=order, by=actor_of(request))
        # Before it begins: workers start at once, and what they have retried would count as left out.
        taken = rows.filter(WAYS[Deed.RETRY].applies) if across else rows
        looked = outlook(taken, deed=Deed.RETRY, by_workers=True)
        try:
            made, again = pressed(request, project_id=project.pk, do=begin)
            begun.append(made)
            told.append(looked.sentence)
            will += looked.will
            known |= again
        except NothingChosen:
            nothing = True
        except PlatformError as error:
            messages.error(request, f"{project.name}: {error.message}")
    if nothing and not begun:
        messages.warning(request, "None of them needs a retry.")
    if not begun:
        return HttpResponseRedirect(request.get_full_path())
    if known:
        messages.info(request, AGAIN)
    else:
        alone = one_first and will > 1
        how = "One first, the others when it has succeeded." if alone else "In order of arrival."
        messages.success(request, " ".join([*told, how]))
    if len(begun) == 1:
        return HttpResponseRedirect(reverse("admin:runs_bulkoperation_change", args=begun))
    return HttpResponseRedirect(reverse("admin:runs_bulkoperation_changelist"))


def reprocess_begin(
    request: HttpRequest, *, project: Project, chosen: Sequence[uuid.UUID], jobs: Sequence[Job]
) -> HttpResponse:
    """Let workers start these jobs with so many messages. Raises PlatformError."""
    order = Order(deed=Deed.REPROCESS, chosen=Chosen(ids=tuple(chosen)), jobs=tuple(jobs))
    begin = partial(bulk_begin, project=project, order=order, by=actor_of(request))
    made, again = pressed(request, project_id=project.pk, do=begin)
    said = f"{plural(len(chosen), 'message')} will be reprocessed, in order of arrival."
    (messages.info if again else messages.success)(request, AGAIN if again else said)
    return HttpResponseRedirect(reverse("admin:runs_bulkoperation_change", args=[made]))
