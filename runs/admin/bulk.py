"""Bulk operations: how far each is, what it did, why it did not do the rest; and stopping one."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.badges import badge
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.deeds import Deed as Button
from openfn_platform.projects.models import Role
from runs.admin.pages import HistoryAdmin
from runs.bulk import Chosen, NothingChosen, Order, bulk_begin, bulk_cancel
from runs.models import BulkOperation, BulkState, Deed, Run
from runs.pressing import AGAIN, pressed
from runs.selectors.bulk import failed_items, reasons_of
from runs.templatetags.runs import when

MANY = 50  # more than so many are done by workers, and not while somebody waits for the page
MOST_SHOWN = 50
TONES = {BulkState.WAITING: "busy", BulkState.RUNNING: "busy", BulkState.DONE: "good"}


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
        tone = TONES.get(BulkState(operation.state), "plain")
        return badge(operation.get_state_display(), tone, operation.note)  # type: ignore[arg-type]  # a tone

    @admin.display(description="what")
    def what(self, operation: BulkOperation) -> str:
        return f"{operation.get_deed_display()}: {operation.total:,}"

    @admin.display(description="how far")
    def progress(self, operation: BulkOperation) -> SafeString:
        failed = f", {operation.failed:,} not" if operation.failed else ""
        return format_html('<span class="run-whole">{} done{}</span>', f"{operation.done:,}", failed)

    @admin.display(description="by")
    def asker(self, operation: BulkOperation) -> str:
        return operation.requested_by_name

    @admin.display(description="begun")
    def begun(self, operation: BulkOperation) -> SafeString | str:
        return when(operation.created_at)

    def page_title(self, thing: BulkOperation) -> str:
        return self.what(thing)

    def page_more(self, request: HttpRequest, thing: BulkOperation) -> dict[str, Any]:
        of_runs = thing.deed != Deed.REPROCESS
        address = "admin:runs_run_change" if of_runs else "admin:triggers_message_change"
        items = failed_items(thing, most=MOST_SHOWN) if thing.failed else []
        return {
            "operation": thing,
            "tone": TONES.get(BulkState(thing.state), "plain"),
            "reasons": reasons_of(thing) if thing.failed else [],
            "failed": [(reverse(address, args=[item.target]), item) for item in items],
            "more": max(0, thing.failed - len(items)),
            "noun": "run" if of_runs else "message",
        }


def retry_begin(request: HttpRequest, queryset: QuerySet[Run], *, across: bool) -> HttpResponse:
    """Let workers retry them: one operation for each project that they belong to.

    Chosen one by one, each gets an answer; of all that a filter finds, those are retried that need it.
    """
    begun: list[uuid.UUID] = []
    nothing = known = False
    for project in projects_of(request):
        rows = queryset.filter(project=project)
        keys = () if across else tuple(rows.values_list("pk", flat=True))
        if not across and not keys:
            continue
        order = Order(deed=Deed.RETRY, chosen=Chosen(rows=rows) if across else Chosen(ids=keys))
        begin = partial(bulk_begin, project=project, order=order, by=actor_of(request))
        try:
            made, again = pressed(request, project_id=project.pk, do=begin)
            begun.append(made)
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
        total = BulkOperation.objects.filter(pk__in=begun).aggregate(runs=Sum("total"))["runs"] or 0
        messages.success(request, f"{plural(total, 'run')} will be retried, in order of arrival.")
    if len(begun) == 1:
        return HttpResponseRedirect(reverse("admin:runs_bulkoperation_change", args=begun))
    return HttpResponseRedirect(reverse("admin:runs_bulkoperation_changelist"))
