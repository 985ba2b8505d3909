"""One form for each kind of trigger, with only its own fields. Each makes the value that the verb takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.models import Job, Workflow
from openfn_platform.workspace.widgets import CodeEditor
from triggers.editing import FlowSpec, MessageSpec, ScheduleSpec
from triggers.models import CatchUp, EveryUnit, FlowEvent, FlowScope, ScheduleKind, Trigger, TriggerKind
from triggers.schedules import Cron, Every, Once, Schedule
from triggers.timetable import zone_name

# What the schedule's own words for its parts are called in the form.
FIELD_OF = {
    "expression": "cron",
    "at": "starts_at",
    "start": "starts_at",
    "count": "every",
    "tz": "time_zone",
}


class JsonField(forms.CharField):
    """A JSON document in an editor; the error says where."""

    def __init__(self, *, rows: int = 6, **kwargs: Any) -> None:
        kwargs.setdefault("widget", CodeEditor({"rows": str(rows)}, language="json"))
        super().__init__(strip=True, **kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return json.loads(text, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is not JSON: line {error.lineno}, column {error.colno}: {error.msg}."
            ) from None
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is not JSON.") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or "") != (data or "")


class WallClockField(forms.CharField):
    """A date and a time as the clock on the wall shows them, in the schedule's zone and not in the reader's."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = forms.TextInput({"type": "datetime-local", "class": "ws-input"})
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        except ValueError:
            raise forms.ValidationError("Write a date and a time, for example 2026-11-27 23:00.") from None


class TriggerForm(forms.Form):
    """What all kinds have."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    jobs = forms.ModelMultipleChoiceField(
        queryset=Job.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Starts these jobs",
        help_text="Jobs of the same workflow.",
    )
    settings = JsonField(
        required=False,
        rows=3,
        label="Settings of the jobs, for runs of this trigger",
        help_text='Only what shall be different, for example {"location": "north"}.',
    )

    main: tuple[str, ...] = ()

    def __init__(self, *args: Any, workflow: Workflow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workflow = workflow
        jobs: Any = self.fields["jobs"]
        jobs.queryset = Job.objects.filter(workflow=workflow, archived_at=None).order_by("name", "pk")

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.main]

    def clean_settings(self) -> dict[str, Any]:
        given = self.cleaned_data["settings"]
        if given is not None and not isinstance(given, dict):
            raise forms.ValidationError("Write an object: { … }.")
        return given or {}


class MessageForm(TriggerForm):
    """The pairs of criteria stand in rows of their own."""


class PairForm(forms.Form):
    """One pair: a message that contains the first and not the second starts the jobs."""

    inclusion = JsonField(required=False, rows=7)
    exclusion = JsonField(required=False, rows=7)

    def pair(self) -> dict[str, Any]:
        given = self.cleaned_data
        pair = {"inclusion": {} if given["inclusion"] is None else given["inclusion"]}
        if given["exclusion"] is not None:
            pair["exclusion"] = given["exclusion"]
        return pair


class Pairs(forms.BaseFormSet):  # type: ignore[type-arg]  # stubs want a parameter the class does not take
    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {
            **super().get_form_kwargs(index),
            "empty_permitted": False,
        }  # else an untouched row is not read

    def kept(self) -> list[dict[str, Any]]:
        """In a message trigger an untouched row is meant: an empty inclusion is every message."""
        return [form.pair() for form in self.forms if not form.cleaned_data.get("DELETE", False)]


PairRows = forms.formset_factory(
    PairForm, formset=Pairs, extra=0, can_delete=True, max_num=50, validate_max=True
)


class ScheduleForm(TriggerForm):
    schedule_kind = forms.ChoiceField(
        label="When", choices=ScheduleKind.choices, widget=UnfoldAdminSelectWidget
    )
    cron = forms.CharField(
        label="Cron expression",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "0 23 * * FRI"}),
        help_text="minute, hour, day of month, month, day of week; or @daily, @weekly, …",
    )
    every = forms.IntegerField(required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget)
    unit = forms.ChoiceField(
        required=False, choices=EveryUnit.choices, initial=EveryUnit.WEEKS, widget=UnfoldAdminSelectWidget
    )
    starts_at = WallClockField(
        label="From", required=False, help_text="The first time, in the time zone below."
    )
    time_zone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Africa/Nairobi"}),
    )
    catch_up = forms.ChoiceField(
        label="Missed times",
        choices=CatchUp.choices,
        initial=CatchUp.LATEST,
        widget=UnfoldAdminSelectWidget,
        help_text="After the platform was down.",
    )
    keeps_whole_state = forms.BooleanField(
        label="Memory is the whole final state, as in OpenFn v1",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Otherwise every key but data, response, references.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].help_text = f"Empty: the project’s, {self.workflow.project.time_zone}."

    def spec(self) -> ScheduleSpec:
        given = self.cleaned_data
        return ScheduleSpec(
            kind=given["schedule_kind"],
            cron=given["cron"],
            every=given["every"],
            unit=given["unit"],
            starts_at=given["starts_at"],
            time_zone=given["time_zone"].strip(),
            catch_up=given["catch_up"],
            keeps_whole_state=given["keeps_whole_state"],
        )

    def schedule(self) -> Schedule:
        """For the preview."""
        given = self.cleaned_data
        zone = (given.get("time_zone") or "").strip() or self.workflow.project.time_zone
        if given.get("schedule_kind") == ScheduleKind.CRON:
            return Cron(given.get("cron") or "", zone)
        if given.get("schedule_kind") == ScheduleKind.EVERY:
            return Every(given.get("every") or 0, given.get("unit") or "", given.get("starts_at"), zone)
        return Once(given.get("starts_at"), zone)


class FlowForm(TriggerForm):
    upstream_scope = forms.ChoiceField(
        label="Of", choices=FlowScope.choices, initial=FlowScope.JOB, widget=UnfoldAdminSelectWidget
    )
    upstream = forms.ModelChoiceField(
        label="Job",
        queryset=Job.objects.none(),
        required=False,
        empty_label="–",
        widget=UnfoldAdminSelectWidget,
    )
    event = forms.ChoiceField(
        label="When it",
        choices=FlowEvent.choices,
        initial=FlowEvent.SUCCESS,
        widget=UnfoldAdminSelectWidget,
    )
    condition = forms.CharField(
        required=False,
        max_length=5000,
        widget=CodeEditor({"rows": "2"}),
        help_text="An expression over the final state; empty means always. For example state.data['age'] < 5",
    )

    main = ("upstream_scope", "upstream", "event", "condition")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        upstream: Any = self.fields["upstream"]
        upstream.queryset = (
            Job.objects.filter(project=self.workflow.project_id, archived_at=None)
            .select_related("workflow")
            .order_by("workflow__name", "name", "pk")
        )
        upstream.label_from_instance = self._label

    def _label(self, job: Job) -> str:
        return job.name if job.workflow_id == self.workflow.pk else f"{job.workflow.name}: {job.name}"

    def spec(self) -> FlowSpec:
        given = self.cleaned_data
        one = given["upstream_scope"] == FlowScope.JOB
        return FlowSpec(
            event=given["event"],
            upstream=given["upstream"] if one else None,
            scope=given["upstream_scope"],
            condition=given["condition"],
        )


FORMS: dict[str, type[TriggerForm]] = {
    TriggerKind.MESSAGE: MessageForm,
    TriggerKind.SCHEDULE: ScheduleForm,
    TriggerKind.FLOW: FlowForm,
}


def spec_of(form: TriggerForm, pairs: Any) -> MessageSpec | ScheduleSpec | FlowSpec:
    if isinstance(form, ScheduleForm | FlowForm):
        return form.spec()
    return MessageSpec(criteria=pairs.kept())


def initial_of(trigger: Trigger) -> dict[str, Any]:
    """What the form shows of a trigger."""
    start = trigger.starts_at.astimezone(ZoneInfo(zone_name(trigger))) if trigger.starts_at else None
    return {
        "name": trigger.name,
        "jobs": [link.job_id for link in trigger.trigger_jobs.all()],
        "settings": json.dumps(trigger.settings, indent=2, ensure_ascii=False) if trigger.settings else "",
        "schedule_kind": trigger.schedule_kind,
        "cron": trigger.cron,
        "every": trigger.every_count,
        "unit": trigger.every_unit or EveryUnit.WEEKS,
        "starts_at": f"{start:%Y-%m-%dT%H:%M}" if start else "",
        "time_zone": trigger.time_zone,
        "catch_up": trigger.catch_up,
        "keeps_whole_state": trigger.keeps_whole_state,
        "upstream": trigger.upstream_id,
        "upstream_scope": trigger.upstream_scope,
        "event": trigger.event,
        "condition": trigger.condition,
    }


def pairs_initial(criteria: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {name: json.dumps(pair[name], indent=2, ensure_ascii=False) if name in pair else "" for name in PAIR}
        for pair in criteria
    ]


PAIR = ("inclusion", "exclusion")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
