"""The page of one run: what came of it and why, its log while it runs, and what can be done about it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.cache import patch_cache_control

from jobs.models import JobState
from openfn_platform.common.models import as_uuid
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.deeds import Button, Deed
from openfn_platform.projects.models import Role
from runs import words
from runs.admin import verbs
from runs.admin.pages import Part, download, known_or_404, number_of
from runs.admin.run_list import RunList
from runs.admin.run_retry import RetryPage
from runs.admin.run_trace import TRACE, TracePage
from runs.models import ConnectionHold, OnceMark, Run, RunState, StateKind
from runs.models.engine import HoldStage
from runs.selectors import payloads, runs, trees
from runs.states import StateGone


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=250,
        label="Reason",
        help_text="Everybody who looks at it later reads this.",
        widget=forms.TextInput(attrs={"class": "ws-input", "autofocus": True}),
    )


def _dismiss(request: HttpRequest, run: Run, values: dict[str, Any]) -> str:
    verbs.dismiss(run=run, by=actor_of(request), reason=values["reason"])
    return "Dismissed: it no longer counts as a failure."


def _cancel(request: HttpRequest, run: Run, _values: dict[str, Any]) -> str:
    if verbs.cancel(run=run, by=actor_of(request)):
        return "The run is cancelled."
    return "Its worker has been asked to stop it; that takes some seconds."


def _cancel_question(run: Run) -> str:
    if run.state == RunState.AVAILABLE:
        return "It has not started yet and never will. It can be retried later."
    return (
        "Its worker is asked to stop it, which takes some seconds; the whole log is kept. What it has written to "
        "other systems by then stays there; look there before you retry it."
    )


def _abort(request: HttpRequest, run: Run, _values: dict[str, Any]) -> str:
    verbs.abort(run=run, by=actor_of(request))
    return "The run is aborted."


ABORT_QUESTION = (
    "It is over at once, also when its worker hangs or cannot be reached; the last lines of its log may be missing. "
    "Cancel asks the worker and is enough mostly. What it has written to other systems by then stays there; "
    "look there before you retry it."
)


# --- parts ----------------------------------------------------------------------------------------


def _log(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {"log": payloads.log_end(run=run)}


def _input(request: HttpRequest, run: Run) -> dict[str, Any]:
    before = run.retry_of
    context: dict[str, Any] = {"payload": payloads.state_payload(state_id=run.input_id), "which": "input"}
    if before is not None and before.input_id != run.input_id:
        context["corrected"] = payloads.states_difference(before=before.input_id, after=run.input_id)
        context["corrected_from"] = before
    return context


def _final(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {"payload": payloads.state_payload(state_id=run.final_id), "which": "final"}


def _difference(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {"difference": payloads.states_difference(before=run.input_id, after=run.final_id)}


def _code(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {
        "code": runs.code_lines(run),
        "failed_line": runs.failed_line(run),
        "library": runs.library_taken(run),
    }


def _problems(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {"problems": run.problems}


PARTS = (
    Part(name="log", label="Log", template="admin/runs/run/part_log.html", context=_log),
    Part(name="input", label="Input", template="admin/runs/run/part_state.html", context=_input),
    Part(name="final", label="Final state", template="admin/runs/run/part_state.html", context=_final),
    Part(
        name="difference",
        label="Difference",
        template="admin/runs/run/part_difference.html",
        context=_difference,
    ),
    TRACE,
    Part(
        name="code", label="Code", template="admin/runs/run/part_code.html", context=_code, shows_data=False
    ),
    Part(
        name="problems",
        label="Problems",
        template="admin/runs/run/part_problems.html",
        context=_problems,
        applies=lambda run: run.problem_count > 0,
    ),
)


@admin.register(Run)
class RunAdmin(RetryPage, TracePage, RunList):
    empty = "Each execution of a job is a run. It comes here once a trigger, or you, starts a job."
    page_template = "admin/runs/run/page.html"
    parts = PARTS
    deeds = (
        Deed(
            name="cancel",
            label="Cancel",
            role=Role.OPERATOR,
            do=_cancel,
            applies=runs.may_cancel,
            ask=_cancel_question,
            tone="danger",
            icon="stop_circle",
            hint="Ask its worker to stop it, or end it before it starts",
            back="Go back",
        ),
        Deed(
            name="abort",
            label="Abort",
            role=Role.OPERATOR,
            do=_abort,
            applies=runs.may_abort,
            ask=ABORT_QUESTION,
            tone="danger",
            icon="dangerous",
            hint="End it now, without waiting for its worker",
            back="Go back",
        ),
        Deed(
            name="dismiss",
            label="Dismiss",
            role=Role.OPERATOR,
            do=_dismiss,
            applies=runs.may_dismiss,
            form=ReasonForm,
            icon="done_all",
            hint="Put this failure aside, with a reason",
        ),
    )

    def page_row(self, request: HttpRequest, object_id: str) -> Run:
        key = as_uuid(object_id)
        rows = self.get_queryset(request).select_related(
            "project",
            "workflow",
            "job__live_version",
            "job_version",
            "trigger",
            "work_order__workflow",
            "work_order__slot",
            "work_order__message",
            "work_order__started_by",
            "work_order__resend_of",
            "parent__job",
            "retry_of",
            "created_by",
            "dismissed_by",
            "cancel_requested_by",
            "incident",
        )
        found: Run | None = rows.filter(pk=key).first() if key else None
        if found is None:
            raise Http404
        return found

    def page_title(self, thing: Run) -> str:
        return f"{thing.job.name}"

    def page_more(self, request: HttpRequest, thing: Run) -> dict[str, Any]:
        return {
            **self.headline(request, thing),
            **self.dry_context(thing),
            "trees": trees.order_trees(orders=[thing.work_order]),
            "triggers": runs.matched_triggers(run=thing),
            "compensations": runs.compensations(run=thing),
            "marks": runs.open_marks(run=thing),
            "around": runs.code_around_failure(thing),
            "newest": runs.newest_attempt(run=thing),
            "may_operate": self.may(request, Role.OPERATOR, thing),
            "holds": self.holds_of(thing),
            "kept": runs.memory_of(thing),
            "job_url": job_url(thing),
            "memory": words.size_of(thing.memory_kb * 1024) if thing.memory_kb else "",
        }

    def headline(self, request: HttpRequest, run: Run) -> dict[str, Any]:
        failure = run.failure or {}
        sees = self.may_see_data(request, run)
        sentence = words.sentence_of(run, sees=sees)
        return {
            "run": run,
            "word": words.word_of(run),
            "sentence": sentence,
            "hidden": words.PARTS_HIDDEN if sentence != words.sentence_of(run, sees=True) else "",
            "hint": words.said(failure.get("hint") or "", sees=sees),
            "status": failure.get("status"),
            "job_waits": run.state == RunState.AVAILABLE and run.job.state != JobState.ON,
            "job_state": run.job.get_state_display(),
        }

    def holds_of(self, run: Run) -> list[ConnectionHold]:
        """The connections on hold that a waiting run needs."""
        if run.state != RunState.AVAILABLE or run.job.live_version_id is None:
            return []
        rows = ConnectionHold.objects.filter(
            project_id=run.project_id, credential__connections__version_id=run.job.live_version_id
        ).exclude(stage=HoldStage.OPEN)
        return list(rows.select_related("credential__credential")[:10])

    def buttons(self, request: HttpRequest, thing: Any) -> list[Button]:
        run = thing
        found = super().buttons(request, thing)
        if self.may(request, Role.OPERATOR, run) and runs.may_retry(run):
            retry = Button(
                url=self.url_of("retry", run.pk),
                label="Retry",
                asks=True,
                icon="replay",
                tone="primary",
                hint="Run it again, with its input as it was or corrected",
            )
            found.insert(0, retry)
        return found

    # --- fragments and files --------------------------------------------------------------------------

    def extra_views(self) -> dict[str, Any]:
        return {
            **super().extra_views(),
            "live": self.live_view,
            "log": self.log_view,
            "log-file": self.log_file_view,
            "input-file": self.input_file_view,
            "final-file": self.final_file_view,
            "decide": self.decide_view,
        }

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The head of the page while nothing changes; else the whole page is loaded once more."""
        run = self.page_row(request, object_id)
        if run.state != request.GET.get("state"):
            return _reload()
        context = {**self.headline(request, run), "holds": self.holds_of(run)}
        return _fresh(TemplateResponse(request, "admin/runs/run/head.html", context))

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lines after `after`, and the question for the next ones until the run has ended."""
        run = self.object_or_404(request, object_id)
        if not self.may_see_data(request, run):
            raise Http404
        self.opened(request, run, "log")
        page = payloads.log_after(run=run, after=number_of(request, "after"))
        context = {"run": run, "log": page, "more": not run.is_final or len(page.lines) == payloads.LOG_PAGE}
        return _fresh(TemplateResponse(request, "admin/runs/run/log_lines.html", context))

    def log_file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.object_or_404(request, object_id)
        self.data_or_403(request, run, "log, as a file")
        chunks = (line.encode("utf-8", "replace") for line in payloads.log_text(run=run))
        return download(chunks, name=f"run-{run.pk}.log", kind="text/plain; charset=utf-8")

    def input_file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.state_file(request, object_id, StateKind.INPUT)

    def final_file_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.state_file(request, object_id, StateKind.FINAL)

    def state_file(self, request: HttpRequest, object_id: str, kind: StateKind) -> HttpResponse:
        run = self.object_or_404(request, object_id)
        self.data_or_403(request, run, f"{kind}, as a file")
        state_id = run.input_id if kind == StateKind.INPUT else run.final_id
        try:
            chunks = payloads.state_chunks(state_id=known_or_404(state_id))
        except StateGone:
            raise Http404 from None
        return download(chunks, name=f"run-{run.pk}-{kind}.json", kind="application/json")

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A step of `once` that may have been done: *it was*, or *send again*."""
        run = self.object_or_404(request, object_id)
        if request.method != "POST" or not self.may(request, Role.OPERATOR, run):
            raise Http404
        happened = request.POST.get("happened") == "yes"
        mark: OnceMark | None = next(
            (each for each in runs.open_marks(run=run) if str(each.pk) == request.POST.get("mark")), None
        )
        if mark is None:
            messages.error(request, "Somebody has decided that already.")
        else:
            verbs.resolve(run=run, mark=mark, happened=happened, by=actor_of(request))
            what = "is remembered as done and will not be repeated" if happened else "will be done again"
            step = words.said(mark.key, sees=self.may_see_data(request, run))
            messages.success(request, f"“{step}” {what}. Press Retry when you are ready.")
        answer = HttpResponse(status=302)
        answer["Location"] = reverse("admin:runs_run_change", args=[run.pk])
        return answer


def job_url(run: Run) -> str:
    """The job's own page; empty where no app registers one."""
    try:
        return reverse("admin:jobs_job_change", args=[run.job_id])
    except NoReverseMatch:
        return ""


def _reload() -> HttpResponse:
    answer = HttpResponse(status=204)
    answer["HX-Refresh"] = "true"
    return answer


def _fresh(answer: HttpResponse) -> HttpResponse:
    patch_cache_control(answer, no_store=True)
    return answer
