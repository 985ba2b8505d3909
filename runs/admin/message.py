"""Messages: what arrived, why it started what it started, and starting jobs with it by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.models import Job
from openfn_platform.common.errors import PlatformError
from openfn_platform.common.models import as_uuid
from openfn_platform.common.text import plural
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.auditing import payload_opened
from openfn_platform.projects.badges import EMPTY, badge
from openfn_platform.projects.current import projects_of
from openfn_platform.projects.deeds import Button
from openfn_platform.projects.models import Role
from runs import words
from runs.admin.bulk import MANY, reprocess_begin
from runs.admin.filters import DaysFilter, InboxFilter, MatchedFilter, ids_beginning_with
from runs.admin.pages import HistoryAdmin, Part, download, known_or_404
from runs.pressing import AGAIN, pressed
from runs.reprocessing import message_run, messages_reprocess
from runs.selectors import messages as selectors
from runs.selectors import trees
from runs.templatetags.runs import run_badge, when
from triggers.models import IdempotencyKey, Inbox, Message

MOST_SHOWN_RUNS = 6
AT_ONCE = 500
STOPS = "It stops by itself once five of the runs have failed in the same way."


# --- parts ----------------------------------------------------------------------------------------


def _triggers(request: HttpRequest, message: Message) -> dict[str, Any]:
    found, cut = selectors.verdicts(message=message, reasons=getattr(request, "shows_reasons", False))
    if any(each.explained.reasons for each in found):  # they quote the body
        payload_opened(
            actor_of(request), project=message.project, target=message, part="why", name=lambda: "Message"
        )
    return {"verdicts": found, "cut": cut}


def _body(request: HttpRequest, message: Message) -> dict[str, Any]:
    return {"payload": selectors.body_payload(message, raw=False)}


def _raw(request: HttpRequest, message: Message) -> dict[str, Any]:
    return {"payload": selectors.body_payload(message, raw=True)}


def _headers(request: HttpRequest, message: Message) -> dict[str, Any]:
    return {"asked": selectors.headers_of(message)}


_FOLDER = "admin/triggers/message"
PARTS = (
    Part(name="body", label="Body", template=f"{_FOLDER}/part_body.html", context=_body),
    Part(
        name="triggers",
        label="Why",
        template=f"{_FOLDER}/part_triggers.html",
        context=_triggers,
        shows_data=False,
    ),
    Part(name="raw", label="As it came", template=f"{_FOLDER}/part_body.html", context=_raw),
    Part(name="headers", label="Headers", template=f"{_FOLDER}/part_headers.html", context=_headers),
)


@admin.register(Message)
class MessageAdmin(HistoryAdmin):
    empty = "What partner systems post to an inbox of this project arrives here."
    page_template = "admin/triggers/message/page.html"
    parts = PARTS
    list_display = ("matched_badge", "received", "inbox", "started", "size_in_words", "sender_key")
    list_display_links = ("received",)
    list_select_related = ("inbox",)
    list_filter = (MatchedFilter, DaysFilter, InboxFilter)
    search_fields = ("id",)
    search_help_text = "The beginning of a message’s id, or the whole key that its sender gave it"
    actions = ("reprocess_selected",)

    def list_rows(self, queryset: QuerySet[Message]) -> QuerySet[Message]:
        return selectors.with_orders(queryset.defer("matching"))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        text = search_term.strip()
        if not text:
            return queryset, False
        found = ids_beginning_with(text)
        wanted = Q(pk__range=found) if found is not None else Q(pk__in=[])
        # The key is indexed with its inbox, and inboxes are few.
        inboxes = Inbox.objects.filter(project__in=projects_of(request)).values_list("pk", flat=True)[:1_000]
        keyed = IdempotencyKey.objects.filter(inbox__in=list(inboxes), key=text).values_list(
            "message_id", flat=True
        )
        return queryset.filter(wanted | Q(pk__in=list(keyed[:50]))), False

    @admin.display(description="what came of it")
    def matched_badge(self, message: Message) -> SafeString:
        if message.matched:
            return badge("Started", "good", "It started at least one job.")
        return badge("Unmatched", "warn", "It started nothing; it can be reprocessed.")

    @admin.display(description="received")
    def received(self, message: Message) -> SafeString | str:
        return when(message.created_at)

    @admin.display(description="started")
    def started(self, message: Message) -> SafeString | str:
        runs = [run for order in message.work_orders.all() for run in order.runs.all()]
        if not runs:
            return EMPTY
        shown = format_html_join(
            "",
            '<a class="ws-link" href="{}">{}</a> {} ',
            (
                (reverse("admin:runs_run_change", args=[run.pk]), run.job.name, run_badge(run))
                for run in runs[:MOST_SHOWN_RUNS]
            ),
        )
        more = len(runs) - MOST_SHOWN_RUNS
        return format_html(
            '<span class="run-badges">{}{}</span>', shown, f"and {more} more" if more > 0 else ""
        )

    @admin.display(description="size")
    def size_in_words(self, message: Message) -> str:
        return words.size_of(message.size)

    # --- the page -------------------------------------------------------------------------------------

    def page_row(self, request: HttpRequest, object_id: str) -> Message:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related("project", "inbox")
        found: Message | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        request.shows_reasons = self.may_see_data(request, found)  # type: ignore[attr-defined]  # ours
        return found

    def page_title(self, thing: Message) -> str:
        return "Message"

    def page_more(self, request: HttpRequest, thing: Message) -> dict[str, Any]:
        orders = selectors.orders_of(thing)
        return {
            "message": thing,
            "trees": trees.order_trees(orders=orders),
            "more_orders": len(orders) == selectors.MOST_ORDERS,
            "key": selectors.intake_key(thing),
            "matching_count": sum(entry["matched"] for entry in thing.matching),
            "listening_count": len(thing.matching),
        }

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        message = thing
        if not self.may(request, Role.OPERATOR, message) or message.body_wiped_at is not None:
            return []
        run = Button(
            url=self.url_of("run", message.pk),
            label="Run with this message",
            asks=True,
            icon="play_arrow",
            tone="plain",
            hint="Start one job now, as if its trigger had matched",
        )
        again = Button(
            url=self.url_of("reprocess", message.pk),
            label="Reprocess",
            asks=True,
            icon="restart_alt",
            tone="plain" if message.matched else "primary",
            hint="Start jobs that this message should have started; what succeeded is left out",
        )
        return [again, run] if not message.matched else [run, again]

    def extra_views(self) -> dict[str, Any]:
        return {
            **super().extra_views(),
            "run": self.run_view,
            "reprocess": self.reprocess_view,
            "body-file": self.body_file_view,
        }

    def body_file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        message = self.object_or_404(request, object_id)
        self.data_or_403(request, message, "body, as a file")
        payload = known_or_404(selectors.payload_of(message))
        return download(
            iter([bytes(payload.raw)]), name=f"message-{message.pk}", kind="application/octet-stream"
        )

    # --- starting jobs --------------------------------------------------------------------------------

    def operable_or_404(self, request: HttpRequest, object_id: str) -> Message:
        message = self.page_row(request, object_id)
        if not self.may(request, Role.OPERATOR, message):
            raise Http404
        return message

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Run with this message: one job."""
        message = self.operable_or_404(request, object_id)
        jobs = selectors.startable_jobs(project_id=message.project_id, on=False)
        error = ""
        if request.method == "POST":
            chosen = [job for job in jobs if str(job.pk) == request.POST.get("jobs")]
            try:
                if not chosen:
                    error = "Choose the job to run."
                else:
                    return self.run_now(request, message, chosen[0])
            except PlatformError as refused:
                error = refused.message
        return self.jobs_page(
            request,
            message,
            title="Run with this message",
            jobs=jobs,
            error=error,
            one=True,
            explanation="The job starts now with the body as its data, also when it is off; what comes after it "
            "follows as usual.",
            label="Run",
        )

    def run_now(self, request: HttpRequest, message: Message, job: Job) -> HttpResponse:
        made, again = pressed(
            request,
            project_id=message.project_id,
            do=lambda: message_run(message=message, job=job, by=actor_of(request)),
        )
        said = AGAIN if again else f"“{job.name}” is on its way with this message."
        (messages.info if again else messages.success)(request, said)
        return HttpResponseRedirect(reverse("admin:runs_run_change", args=[made]))

    def reprocess_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        message = self.operable_or_404(request, object_id)
        return self.reprocess_page(request, [message], thing=message)

    def reprocess_page(
        self, request: HttpRequest, chosen: list[Message], *, thing: Message | None = None, **more: Any
    ) -> HttpResponse:
        """Which jobs; then what came of it, as a table."""
        jobs = selectors.startable_jobs(project_id=chosen[0].project_id, on=True)
        error = ""
        if request.method == "POST" and "confirmed" in request.POST:
            wanted = [job for job in jobs if str(job.pk) in request.POST.getlist("jobs")]
            try:
                if len(chosen) > MANY and wanted:
                    keys = [each.pk for each in chosen]
                    return reprocess_begin(request, project=chosen[0].project, chosen=keys, jobs=wanted)
                done = messages_reprocess(messages=chosen, jobs=wanted, by=actor_of(request))
            except PlatformError as refused:
                error = refused.message
            else:
                context = {
                    **self.page_context(request, thing, title="Reprocessed"),
                    "done": done,
                    "back": self.url_of("change", thing.pk) if thing else self.url_of("changelist"),
                }
                if not wanted:
                    error = "Choose at least one job."
                else:
                    return TemplateResponse(request, "admin/triggers/message/reprocessed.html", context)
        return self.jobs_page(
            request,
            thing,
            title="Reprocess",
            jobs=jobs,
            error=error,
            one=False,
            explanation=f"{plural(len(chosen), 'message')}, in order of arrival, start each chosen job. Left out is "
            "what succeeded with a message already, or is on its way. Jobs that are off are not offered."
            + (f" {STOPS}" if len(chosen) > MANY else ""),
            label="Reprocess",
            **more,
        )

    def jobs_page(
        self, request: HttpRequest, thing: Message | None, *, title: str, **more: Any
    ) -> HttpResponse:
        context = {
            **self.page_context(request, thing, title=title),
            "back": self.url_of("change", thing.pk) if thing else request.get_full_path(),
            "chosen": request.POST.getlist("jobs"),
            **more,
        }
        return TemplateResponse(request, "admin/triggers/message/jobs.html", context)

    @admin.action(description="Reprocess selected", permissions=["operate"])
    def reprocess_selected(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
        """All of one project, because jobs are."""
        rows = list(queryset.order_by("id").prefetch_related(None)[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            messages.error(request, f"Choose at most {AT_ONCE} messages at once.")
            return None
        if len({row.project_id for row in rows}) != 1:
            messages.error(request, "Choose messages of one project.")
            return None
        if not self.may(request, Role.OPERATOR, rows[0]):
            messages.error(request, "Only an operator or higher may do that in this project.")
            return None
        return self.reprocess_page(
            request, rows, action="reprocess_selected", selected=[str(row.pk) for row in rows]
        )
