"""The forms of a job's page. They read text into values; the verbs judge the values."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.adaptors import registry
from jobs.connecting import ConnectionChoice
from jobs.declaring import TYPES
from jobs.models import Job, JobVersion, ProjectCredential
from jobs.models.version import valid_alias
from openfn_platform.projects.models import Project
from openfn_platform.workspace.widgets import CodeEditor

_NUMBERS = {
    "wall_seconds": ("Longest time", "In seconds; then the run is killed."),
    "memory_mb": ("Memory", "In megabytes; more and the run is killed."),
    "state_bytes": ("Largest state", "In bytes, of the input and of the final state."),
    "max_attempts": ("Attempts", "1 means no automatic retry."),
    "first_wait_seconds": ("First wait", "Seconds before the second attempt; doubled each time."),
    "longest_wait_seconds": ("Longest wait", "Seconds between two attempts at most."),
    "too_late_seconds": ("Too late after", "Seconds; a run that waited longer is skipped. Empty: never."),
    "problems_allowed": ("Problems allowed", "More refused records than this open an incident."),
}
LIMITS = (*_NUMBERS, "safe_to_run_again", "trace_reads")


class JobForm(forms.Form):
    """What the job is called, its code, its limits."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    max_concurrency = forms.IntegerField(
        label="Runs at once",
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="1 means strictly in order of arrival. Empty: no limit.",
    )
    retry_frees_lane = forms.BooleanField(
        label="A waiting retry lets others pass",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Only for one at a time: normally an automatic retry that waits holds up those behind it.",
    )
    code = forms.CharField(required=False, strip=False, widget=CodeEditor())
    note = forms.CharField(
        label="What changed",
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "What changed? (optional)"}),
    )
    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    safe_to_run_again = forms.BooleanField(
        label="Safe to run again",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Running it twice does no harm: a run whose worker vanished is started again.",
    )
    trace_reads = forms.BooleanField(
        label="Keep what was read",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="The trace of its runs keeps what partners answered to reads, too, up to 1 MB a run.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text) in _NUMBERS.items():
            self.fields[name] = forms.IntegerField(
                label=label,
                help_text=help_text,
                required=name != "too_late_seconds",
                min_value=0,
                max_value=2**31 - 1,
                widget=UnfoldAdminIntegerFieldWidget,
            )

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in LIMITS]

    @property
    def limits_wrong(self) -> bool:
        return any(name in self.errors for name in LIMITS)

    @property
    def about_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("name", "description", "max_concurrency", "retry_frees_lane")]

    def limits(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in LIMITS}

    def about(self) -> dict[str, Any]:
        names = ("name", "description", "max_concurrency", "retry_frees_lane")
        return {name: self.cleaned_data[name] for name in names}


def initial_of(job: Job, version: JobVersion | None) -> dict[str, Any]:
    """What the form shows at first."""
    shown = version or JobVersion()  # the defaults
    return {
        "name": job.name,
        "description": job.description,
        "max_concurrency": job.max_concurrency,
        "retry_frees_lane": job.retry_frees_lane,
        "code": shown.code,
        "based_on": version.number if version else 0,
        **{name: getattr(shown, name) for name in LIMITS},
    }


class CredentialSelect(UnfoldAdminSelectWidget):  # type: ignore[misc]  # unfold ships no types
    """Options know their adaptor, so that the page can offer only the fitting ones."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        link = getattr(value, "instance", None)  # the empty choice has none
        if isinstance(link, ProjectCredential):
            option["attrs"]["data-adaptor"] = link.credential.adaptor
        return option


class CredentialField(forms.ModelChoiceField):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    def label_from_instance(self, obj: Any) -> str:
        return str(obj.credential.name)


class ConnectionForm(forms.Form):
    """One alias."""

    alias = forms.CharField(
        max_length=40,
        validators=[valid_alias],
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "openmrs"}),
        help_text="The name in the code.",
    )
    adaptor = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    credential = CredentialField(
        queryset=ProjectCredential.objects.none(),
        required=False,
        empty_label="without",
        widget=CredentialSelect,
    )

    def __init__(self, *args: Any, credentials: QuerySet[ProjectCredential], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["adaptor"]
        field.choices = [(name, registry.spec(name).title) for name in registry.names()]
        field.initial = field.choices[0][0]  # so that a row that was only added counts as untouched
        choice: Any = self.fields["credential"]
        choice.queryset = credentials

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        chosen = given.get("credential")
        if chosen is not None and chosen.credential.adaptor != given.get("adaptor"):
            self.add_error("credential", "This credential is for another system.")
        return given

    def choice(self) -> ConnectionChoice:
        given = self.cleaned_data
        return ConnectionChoice(
            alias=given["alias"], adaptor=given["adaptor"], credential=given["credential"]
        )


class SettingForm(forms.Form):
    """One declared setting: its default is typed as text and read by its type."""

    key = forms.CharField(max_length=40, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "id_type"}))
    label = forms.CharField(
        max_length=120, required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Kind of id"})
    )
    type = forms.ChoiceField(
        choices=[(kind, kind) for kind in TYPES], initial=TYPES[0], widget=UnfoldAdminSelectWidget
    )
    default = forms.CharField(max_length=2000, required=False, widget=UnfoldAdminTextInputWidget)
    choices = forms.CharField(
        max_length=2000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "for a choice: one, two, three"}),
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        kind, text = given.get("type"), given.get("default", "")
        given["value"] = None if text == "" else text
        if text and kind == "number":
            try:
                given["value"] = json.loads(text)
            except ValueError:
                self.add_error("default", "This is not a number.")
        elif text and kind == "boolean":
            if text.lower() not in ("yes", "no", "true", "false"):
                self.add_error("default", "Write yes or no.")
            given["value"] = text.lower() in ("yes", "true")
        elif text and kind == "list":
            given["value"] = _words(text)
        return given

    def declaration(self) -> dict[str, Any]:
        given = self.cleaned_data
        one = {name: given[name] for name in ("key", "label", "type")}
        one["default"] = given["value"]
        if given["type"] == "choice":
            one["choices"] = _words(given["choices"])
        return one


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


class Rows(forms.BaseFormSet):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    """Rows that can be added and taken away in the page; a deleted or untouched one counts for nothing."""

    def kept(self) -> list[Any]:
        return [form for form in self.forms if _counts(form)]


def _counts(form: forms.BaseForm) -> bool:
    # A row that was there already has an initial value and may be unchanged.
    used = bool(form.initial) or form.has_changed()
    return used and not form.cleaned_data.get("DELETE", False)


ConnectionRows = forms.formset_factory(
    ConnectionForm, formset=Rows, extra=0, can_delete=True, max_num=20, validate_max=True
)
SettingRows = forms.formset_factory(
    SettingForm, formset=Rows, extra=0, can_delete=True, max_num=50, validate_max=True
)


def usable_credentials(project: Project) -> QuerySet[ProjectCredential]:
    """What a job of the project may connect with."""
    return (
        ProjectCredential.objects.filter(project=project, ended_at=None, credential__archived_at=None)
        .select_related("credential")
        .order_by("credential__name", "pk")
    )


def connections_initial(version: JobVersion | None) -> list[dict[str, Any]]:
    rows = version.connections.all() if version else []
    return [{"alias": row.alias, "adaptor": row.adaptor, "credential": row.credential_id} for row in rows]


def settings_initial(version: JobVersion | None) -> list[dict[str, Any]]:
    return [
        {
            "key": item["key"],
            "label": item.get("label", ""),
            "type": item.get("type", "text"),
            "default": _as_text(item.get("default")),
            "choices": ", ".join(item.get("choices", [])),
        }
        for item in (version.settings if version else [])
    ]


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)
