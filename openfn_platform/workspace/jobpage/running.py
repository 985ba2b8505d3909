"""*Run with…*: choose what a job starts with, and whether its live version runs or the draft is tried out."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from jobs.models import Job
from openfn_platform.common.errors import PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from openfn_platform.workspace.widgets import CodeEditor
from runs.models import Run, RunMode, State, StateKind
from runs.models.run import FAILED_STATES
from runs.pressing import AGAIN, pressed
from runs.starting import Input, job_start
from triggers.models import Message

OFFERED = 20
SOURCES = (
    ("json", "Pasted JSON"),
    ("message", "A message"),
    ("run", "The input of an earlier run"),
    ("saved", "A saved input"),
    ("empty", "Nothing: an empty state"),
)


class RunForm(forms.Form):
    source = forms.ChoiceField(choices=SOURCES, label="Start with", widget=UnfoldAdminSelectWidget)
    message = forms.ModelChoiceField(
        queryset=Message.objects.none(), required=False, widget=UnfoldAdminSelectWidget, empty_label="–"
    )
    run = forms.ModelChoiceField(
        label="Earlier run",
        queryset=Run.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        empty_label="–",
    )
    saved = forms.ModelChoiceField(
        label="Saved input",
        queryset=State.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        empty_label="–",
    )
    pasted = forms.CharField(
        label="JSON", required=False, strip=False, widget=CodeEditor({"rows": "10"}, language="json")
    )
    whole = forms.BooleanField(
        label="This is the whole state, not only its data", required=False, widget=UnfoldBooleanSwitchWidget
    )
    what = forms.ChoiceField(label="Which code", widget=UnfoldAdminSelectWidget)
    dry = forms.BooleanField(
        label="Dry run",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Whatever the job would write to other systems is shown instead of sent.",
    )

    def __init__(self, *args: Any, job: Job, may_edit: bool, may_see_data: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["message"].queryset = _messages(job)
        fields["message"].label_from_instance = _message_label
        fields["run"].queryset = _runs(job)
        fields["run"].label_from_instance = _run_label
        fields["saved"].queryset = State.objects.filter(
            project=job.project_id, kind=StateKind.SAVED, wiped_at=None
        ).order_by("-id")
        live, latest = job.live_version, job.latest_version
        choices = []
        if live is not None:
            choices.append(("live", f"The live version, v{live.number}"))
        if latest is not None and may_edit:
            choices.append(("draft", f"The draft, v{latest.number}, as a test run"))
        fields["what"].choices = choices
        self.nothing_to_run = not choices

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        source = given.get("source")
        if source in ("message", "run", "saved") and not given.get(source) and source not in self.errors:
            self.add_error(source, "Choose one.")
        if source == "json":
            self._read_json(given)
        return given

    def _read_json(self, given: dict[str, Any]) -> None:
        text = given.get("pasted", "").strip() or "{}"
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            where = (
                f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            )
            self.add_error("pasted", f"This is not JSON, {where}.")
            return
        if given.get("whole") and not isinstance(value, dict):
            self.add_error("pasted", "The whole state is an object: { … }.")
        given["value"] = value

    def input(self) -> Input:
        given = self.cleaned_data
        source = given["source"]
        if source in ("message", "run", "saved"):
            return Input(**{source: given[source]})
        if source == "empty":
            return Input()
        return Input(state=given["value"]) if given["whole"] else Input(data=given["value"])


def run_view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    job: Job = model_admin.object_or_404(request, object_id)
    if not model_admin.may(request, Role.OPERATOR, job):
        raise PermissionDenied
    form = RunForm(
        request.POST or None,
        job=job,
        may_edit=model_admin.may(request, Role.EDITOR, job),
        may_see_data=model_admin.may_see_data(request, job),
        initial=_initial(request, job),
    )
    if request.method == "POST" and form.is_valid():
        try:
            made, again = pressed(request, project_id=job.project_id, do=lambda: _start(request, job, form))
        except PlatformError as error:
            form.add_error(None, error.message)
        else:
            if again:
                messages.info(request, AGAIN)
            return HttpResponseRedirect(reverse("admin:runs_run_change", args=[made]))
    context = {
        **model_admin.page_context(request, job, title=f"Run {job.name} with…"),
        "job": job,
        "form": form,
        "media": model_admin.media + form.media,
    }
    return TemplateResponse(request, "workspace/run_with.html", context)


def _start(request: HttpRequest, job: Job, form: RunForm) -> Run:
    draft = form.cleaned_data["what"] == "draft"
    mode = RunMode.TRIAL if draft else RunMode.LIVE
    if form.cleaned_data["dry"]:
        mode = RunMode.DRY
    return job_start(
        job=job,
        given=form.input(),
        by=actor_of(request),
        mode=mode,
        version=job.latest_version if draft else None,
    )


def _initial(request: HttpRequest, job: Job) -> dict[str, Any]:
    """What a link may choose beforehand: `?message=…` or `?run=…`."""
    draft = job.live_version_id is None or job.live_version_id != job.latest_version_id
    chosen: dict[str, Any] = {"pasted": "{}", "what": "draft" if draft else "live", "source": "json"}
    for source in ("message", "run"):
        if source in request.GET:
            chosen |= {"source": source, source: request.GET[source]}
    return chosen


def _messages(job: Job) -> Any:
    newest = Message.objects.filter(project=job.project_id, body_wiped_at=None).order_by("-id")[:OFFERED]
    return Message.objects.filter(pk__in=[message.pk for message in newest]).order_by("-id")


def _runs(job: Job) -> Any:
    newest = Run.objects.filter(job=job, input__isnull=False).order_by("-id")[:OFFERED]
    return Run.objects.filter(pk__in=[run.pk for run in newest]).order_by("-id")


def _message_label(message: Message) -> str:
    key = f" · {message.sender_key}" if message.sender_key else ""
    return f"{_when(message)} · {message.size:,} bytes{key}"


def _run_label(run: Run) -> str:
    word = "failed" if run.state in FAILED_STATES else str(run.get_state_display()).lower()
    return f"{_when(run)} · {word}"


def _when(row: Any) -> str:
    return f"{timezone.localtime(row.created_at):%d %b %H:%M:%S}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
