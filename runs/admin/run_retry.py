"""Retry by hand: input as it was or corrected, code as it was or as it is live, the difference shown first."""

from __future__ import annotations

import functools
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from openfn_platform.common.errors import Invalid, PlatformError
from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.models import Role
from runs.admin import verbs
from runs.admin.pages import HistoryAdmin
from runs.models import Run
from runs.pretty import Difference, TooLong, difference, pretty_json
from runs.selectors import payloads, runs
from runs.starting import NothingToRun
from runs.states import checked_object, encode

EDITOR = "built/editor/editor.js"
AS_IT_WAS, CORRECTED = "as-it-was", "corrected"
LIVE, SAME = "live", "same"


@functools.cache
def editor_script() -> list[Any]:
    """The code editor, where it was built; a plain text area otherwise."""
    return [Script(EDITOR, defer=True)] if finders.find(EDITOR) else []


class JsonArea(forms.Textarea):
    """A text area for JSON that becomes an editor where its script is there."""

    template_name = "workspace/widgets/code_editor.html"

    def __init__(self) -> None:
        super().__init__(
            {
                "rows": "18",
                "wrap": "off",
                "spellcheck": "false",
                "autocapitalize": "off",
                "autocomplete": "off",
                "data-editor": "json",
            }
        )

    @property
    def media(self) -> forms.Media:
        return forms.Media(css={"all": ["workspace/editor.css"]}, js=editor_script())

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        # The forms' own renderer looks into apps only; this template lies with the project's others.
        return super().render(name, value, attrs, forms.renderers.TemplatesSetting())


class StateField(forms.CharField):
    """A JSON object, as it is stored."""

    widget = JsonArea

    def __init__(self, **more: Any) -> None:
        super().__init__(strip=False, max_length=payloads.EDITABLE * 3, **more)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            state = checked_object(text)
            encode(state)  # NaN is a number to Python and none in JSON
        except PlatformError as error:
            raise forms.ValidationError(error.message) from None
        except (ValueError, RecursionError):
            raise forms.ValidationError("NaN and Infinity are no JSON; write null or a number.") from None
        return state


class RetryForm(forms.Form):
    input = forms.ChoiceField(
        choices=[(AS_IT_WAS, "As it was"), (CORRECTED, "Corrected")],
        widget=forms.RadioSelect,
        initial=AS_IT_WAS,
    )
    text = StateField(required=False, label="Corrected input")
    code = forms.ChoiceField(
        choices=[(LIVE, "As it is live"), (SAME, "As it was")], widget=forms.RadioSelect, initial=LIVE
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("input") == CORRECTED and given.get("text") is None and "text" not in self.errors:
            self.add_error("text", "Write the corrected input, a JSON object in braces.")
        return given


class RetryPage(HistoryAdmin):
    """The page behind *Retry*."""

    def extra_views(self) -> dict[str, Any]:
        return {**super().extra_views(), "retry": self.retry_view}

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.page_row(request, object_id)
        if not self.may(request, Role.OPERATOR, run):
            raise PermissionDenied
        if not runs.may_retry(run):
            return self.no_way(request, run, _why_not(run))
        original = self.original(request, run)
        if original is not None:
            self.opened(request, run, "input, to correct it")
        if request.method != "POST":
            form = RetryForm(initial={"text": original or ""})
            return self.retry_page(request, run, form, original)
        form = RetryForm(request.POST)
        if not form.is_valid():
            return self.retry_page(request, run, form, original)
        corrected = form.cleaned_data["text"] if form.cleaned_data["input"] == CORRECTED else None
        if corrected is not None:
            if original is None:
                return self.no_way(request, run, "Only who may see data can correct an input.")
            changed = _difference(original, corrected)
            if changed is not None and changed.nothing:
                corrected = None
            elif "edit" in request.POST:
                return self.retry_page(request, run, form, original)
            elif "confirmed" not in request.POST:
                return self.retry_page(request, run, form, original, changed=changed, ask=True)
        return self.retry_now(request, run, form, original, corrected)

    def retry_now(
        self, request: HttpRequest, run: Run, form: RetryForm, original: str | None, corrected: Any
    ) -> HttpResponse:
        same_code = form.cleaned_data["code"] == SAME and run.job_version_id is not None
        try:
            attempt = verbs.retry(run=run, by=actor_of(request), corrected=corrected, same_code=same_code)
        except PlatformError as error:
            form.add_error(None, error.message)
            return self.retry_page(request, run, form, original)
        with_what = "with the corrected input" if corrected is not None else "with the same input"
        messages.success(request, f"Attempt {attempt.attempt} is on its way, {with_what}.")
        return HttpResponseRedirect(self.url_of("change", attempt.pk))

    def original(self, request: HttpRequest, run: Run) -> str | None:
        """The input as text to correct; None when it may not be seen, is gone, or is too large for a form."""
        if not self.may_see_data(request, run):
            return None
        return payloads.state_text(state_id=run.input_id, limit=payloads.EDITABLE)

    def retry_page(
        self,
        request: HttpRequest,
        run: Run,
        form: RetryForm,
        original: str | None,
        *,
        changed: Difference | None = None,
        ask: bool = False,
    ) -> HttpResponse:
        was, live = run.job_version, run.job.live_version
        context = {
            **self.page_context(request, run, title=f"Retry {run.job.name}"),
            "run": run,
            "form": form,
            "may_see_data": self.may_see_data(request, run),
            "correctable": original is not None,
            "changed": changed,
            "ask": ask,
            "was": was,
            "live": live,
            "other_code": was is not None and live is not None and was.pk != live.pk,
            "compensations": runs.compensations(run=run),
            "marks": runs.open_marks(run=run),
            "back": self.url_of("change", run.pk),
        }
        return TemplateResponse(request, "admin/runs/run/retry.html", context)

    def no_way(self, request: HttpRequest, run: Run, why: str) -> HttpResponse:
        messages.error(request, why)
        return HttpResponseRedirect(self.url_of("change", run.pk))


def _why_not(run: Run) -> str:
    if not run.is_final:
        return "It has not ended yet; cancel it first, or wait."
    if run.is_test:
        return "A test run is repeated in the job's editor."
    if not runs.has_code(run):
        return NothingToRun().message
    return "It was retried already; retry its last attempt."


def _difference(original: str, corrected: dict[str, Any]) -> Difference | None:
    """None when the texts are too long to compare."""
    try:
        after = pretty_json(encode({**corrected, "data": corrected.get("data", {})}).decode())
        return difference(original, after)
    except TooLong:
        return None
    except UnicodeDecodeError:
        raise Invalid("The input holds text that cannot be stored.") from None
