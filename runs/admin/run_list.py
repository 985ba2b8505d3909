"""The list of runs: how each ended and why, with filters in the address and actions on many."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from openfn_platform.common.models import as_uuid
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.badges import EMPTY, badge, link
from openfn_platform.projects.models import Role
from runs import words
from runs.admin import verbs
from runs.admin.bulk import MANY, ONE_FIRST_FROM, retry_begin
from runs.admin.filters import (
    CareFilter,
    DaysFilter,
    JobFilter,
    ModeFilter,
    OutcomeFilter,
    StateFilter,
    TriggerFilter,
    WorkflowFilter,
    ids_beginning_with,
)
from runs.admin.pages import HistoryAdmin, reader_sees
from runs.bulk import MOST_ITEMS
from runs.bulk_deeds import WAYS
from runs.models import Cause, Deed, Run, RunMode, WorkOrder
from runs.selectors.choosing import outlook
from runs.selectors.trees import light
from runs.templatetags.runs import run_badge, when

AT_ONCE = 500  # runs that one action may touch: each is a transaction of its own


class RunList(HistoryAdmin):
    """Columns, filters and actions."""

    list_display = ("state_badge", "what", "cause", "when", "took", "outcome", "attempt_number")
    list_display_links = ("what",)
    list_filter = (
        OutcomeFilter,
        CareFilter,
        DaysFilter,
        JobFilter,
        WorkflowFilter,
        TriggerFilter,
        ModeFilter,
        StateFilter,
    )
    search_fields = ("id",)
    search_help_text = "The beginning of a run’s id, or the whole id of a work order or message"
    actions = ("retry_selected", "cancel_selected", "abort_selected", "dismiss_selected")

    def list_rows(self, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return (
            light(queryset)
            .select_related(
                "job",
                "workflow",
                "work_order__slot",
                "work_order__started_by",
                "parent__job",
                "created_by",
                "project",
            )
            .defer(
                *(f"parent__{column}" for column in ("failure", "problems", "trial_code")),
                "failure",
                "problems",
                "trial_code",
                "matched_triggers",
            )
            .annotate(
                max_attempts=Coalesce(F("job_version__max_attempts"), F("job__live_version__max_attempts"), 1)
            )
        )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """By id only: no search through texts pretends to be fast on millions of rows."""
        text = search_term.strip()
        if not text:
            return queryset, False
        whole = as_uuid(text)
        if whole is not None:
            # Looked up first: an OR over joined tables would use no index.
            orders = WorkOrder.objects.filter(Q(pk=whole) | Q(message=whole)).values_list("pk", flat=True)
            return queryset.filter(Q(pk=whole) | Q(work_order__in=list(orders[:100]))), False
        found = ids_beginning_with(text)
        return (queryset.filter(pk__range=found) if found else queryset.none()), False

    @admin.display(description="outcome")
    def state_badge(self, run: Run) -> SafeString:
        extra = ""
        if run.mode != RunMode.LIVE:
            extra = badge("TEST" if run.mode == RunMode.TRIAL else "DRY", "warn", run.get_mode_display())
        elif run.handled:
            extra = badge("handled", "plain", "A flow trigger caught this failure and started another job.")
        elif run.dismissed_at:
            extra = badge("dismissed", "plain", words.said(run.dismissed_reason, sees=reader_sees(run)))
        return format_html('<span class="run-badges">{}{}</span>', run_badge(run), extra)

    @admin.display(description="job")
    def what(self, run: Run) -> SafeString:
        return format_html(
            '{}<span class="ws-soft ws-small run-second">{}</span>', run.job.name, run.workflow.name
        )

    @admin.display(description="started by")
    def cause(self, run: Run) -> SafeString | str:
        text = words.cause_of(run)
        if run.parent_id or run.retry_of_id:
            above = run.retry_of_id or run.parent_id
            return link(reverse("admin:runs_run_change", args=[above]), text, "The run before it")
        order = run.work_order
        if order.cause == Cause.MESSAGE and order.message_id:
            return link(reverse("admin:triggers_message_change", args=[order.message_id]), text)
        if order.slot is not None:
            return format_html("{} {}", text, when(order.slot.at))
        return text

    @admin.display(description="when")
    def when(self, run: Run) -> SafeString | str:
        return when(run.finished_at or run.started_at or run.created_at)

    @admin.display(description="took")
    def took(self, run: Run) -> SafeString:
        return format_html('<span class="run-whole">{}</span>', words.duration_of(run) or EMPTY)

    @admin.display(description="said")
    def outcome(self, run: Run) -> SafeString | str:
        said = words.outcome_of(run, sees=reader_sees(run))
        if not said:
            return EMPTY
        hidden = said != words.outcome_of(run, sees=True)
        return format_html(
            '<span class="run-said" title="{}">{}</span>',
            f"{said} {words.PARTS_HIDDEN}" if hidden else said,
            said,
        )

    @admin.display(description="attempt")
    def attempt_number(self, run: Run) -> str:
        return words.attempt_of(run)

    # --- many at once ---------------------------------------------------------------------------------

    @admin.action(description="Retry selected", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        """The last failed attempts, in order of arrival; each with its own answer. Many are left to workers."""
        if "confirmed" not in request.POST:
            return self.ask(
                request,
                queryset,
                action="retry_selected",
                deed=Deed.RETRY,
                title="Retry the selected runs?",
                question="Each is run again with its input as it was and the code as it is live now.",
                label="Retry",
                offers_one_first=True,
            )
        one_first = request.POST.get("one_first") == "1"
        if one_first or len(queryset[: MANY + 1]) > MANY:
            across = request.POST.get("select_across") == "1"
            return retry_begin(request, queryset, across=across, one_first=one_first)
        self.for_each(
            request,
            self.in_order(request, queryset, Deed.RETRY),
            role=Role.OPERATOR,
            do=lambda run: verbs.retry(run=run, by=actor_of(request), only_unrepaired=True),
            done="retried",
        )
        return None

    @admin.action(description="Cancel selected", permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self.ask(
                request,
                queryset,
                action="cancel_selected",
                deed=Deed.CANCEL,
                title="Cancel the selected runs?",
                question="Those that wait are cancelled at once. Of those that run the workers are asked to stop them, "
                "which takes some seconds; what they have written to other systems by then stays there.",
                label="Cancel runs",
                danger=True,
            )
        rows = self.in_order(request, queryset, Deed.CANCEL)
        asked: list[Run] = []

        def cancel(run: Run) -> None:
            if not verbs.cancel(run=run, by=actor_of(request)):
                asked.append(run)

        self.for_each(request, rows, role=Role.OPERATOR, do=cancel, done="cancelled")
        if asked:
            messages.info(
                request,
                f"Of these, {len(asked)} had begun: the workers have been asked to stop them, which takes some "
                "seconds. Abort ends what does not stop.",
            )
        return None

    @admin.action(description="Abort selected", permissions=["operate"])
    def abort_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self.ask(
                request,
                queryset,
                action="abort_selected",
                deed=Deed.ABORT,
                title="Abort the selected runs?",
                question="They are over at once, also where a worker hangs or cannot be reached; the last lines of their "
                "logs may be missing. Cancel asks the workers and is enough mostly. What they have written to other "
                "systems by then stays there; look there before you retry them.",
                label="Abort runs",
                danger=True,
            )
        self.for_each(
            request,
            self.in_order(request, queryset, Deed.ABORT),
            role=Role.OPERATOR,
            do=lambda run: verbs.abort(run=run, by=actor_of(request)),
            done="aborted",
        )
        return None

    @admin.action(description="Dismiss selected", permissions=["operate"])
    def dismiss_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        reason = request.POST.get("reason", "").strip()
        if not reason:
            return self.ask(
                request,
                queryset,
                action="dismiss_selected",
                deed=Deed.DISMISS,
                title="Dismiss the selected failures?",
                question="They no longer count as failures; everybody can read why.",
                label="Dismiss",
                wants_reason=True,
                missing="confirmed" in request.POST,
            )
        self.for_each(
            request,
            self.in_order(request, queryset, Deed.DISMISS),
            role=Role.OPERATOR,
            do=lambda run: verbs.dismiss(run=run, by=actor_of(request), reason=reason),
            done="dismissed",
        )
        return None

    def in_order(self, request: HttpRequest, queryset: QuerySet[Run], deed: Deed) -> list[Run]:
        """The chosen runs as they arrived, at most AT_ONCE; of more than that those to which the deed applies."""
        rows = list(queryset.order_by("lane", "attempt")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            rows = list(queryset.filter(WAYS[deed].applies).order_by("lane", "attempt")[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            messages.warning(
                request, f"Only the {AT_ONCE} oldest were taken; do it again for those that are left."
            )
        return rows[:AT_ONCE]

    def ask(
        self, request: HttpRequest, queryset: QuerySet[Run], *, action: str, deed: Deed, **more: Any
    ) -> HttpResponse:
        """One question for all of them; the answer comes back as the same action."""
        across = request.POST.get("select_across") == "1"
        count = queryset.count()
        context = {
            **self.page_context(request, title=more.pop("title")),
            **more,
            "count": plural(count, "run"),
            # Of more than that none is begun at once, and to look at each would take long.
            "outlook": outlook(queryset, deed=deed, by_workers=count > MANY, by_filter=across)
            if count <= MOST_ITEMS
            else None,
            "at_once": 0 if deed == Deed.RETRY else AT_ONCE,
            "offers_one_first": more.get("offers_one_first", False) and count > 1,
            "one_first": count >= ONE_FIRST_FROM,
            "action": action,
            "across": across,
            "selected": request.POST.getlist("_selected_action"),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/runs/run/bulk.html", context)
