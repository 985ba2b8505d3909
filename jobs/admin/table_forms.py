"""The forms of a table's pages. They read text into values; the verbs judge the values."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.models import Table, TableKind
from jobs.models.table import MOST_ROWS, VALUE_BYTES
from jobs.sheet_loading import SheetMode

TEXT, JSON = "text", "json"


class ValueForm(forms.Form):
    """A value, as text or as JSON, and how long it shall be there."""

    value = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false", "class": "ws-mono"}),
    )
    form = forms.ChoiceField(
        label="It is",
        choices=[(TEXT, "text, as it stands there"), (JSON, "JSON: a number, a list, an object …")],
        widget=UnfoldAdminSelectWidget,
    )
    hours = forms.FloatField(
        label="Hours to live",
        required=False,
        min_value=0.01,
        max_value=87_000,
        help_text="Empty: it stays.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        given["plain"] = text = given.get("value", "").replace("\r\n", "\n")
        if given.get("form") == JSON:
            try:
                given["plain"] = json.loads(text)
            except (ValueError, RecursionError) as error:
                self.add_error("value", f"This is not JSON: {error}.")
        return given

    @property
    def ttl(self) -> timedelta | None:
        hours = self.cleaned_data.get("hours")
        return timedelta(hours=hours) if hours else None


class RowForm(ValueForm):
    """A new row."""

    key = forms.CharField(max_length=255, strip=False, widget=UnfoldAdminTextInputWidget)
    field_order = ("key", "value", "form", "hours")


def value_initial(value: Any) -> dict[str, Any]:
    """As it is typed: text as it stands, everything else as JSON."""
    if isinstance(value, str):
        return {"value": value, "form": TEXT}
    return {"value": json.dumps(value, indent=2, ensure_ascii=False), "form": JSON}


class TableForm(forms.Form):
    """What a table is called and what it may hold."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))
    kind = forms.ChoiceField(choices=TableKind.choices, widget=UnfoldAdminSelectWidget)
    most_rows = forms.IntegerField(
        label="Rows at most",
        min_value=1,
        max_value=MOST_ROWS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"Up to {MOST_ROWS:,}.",
    )
    value_bytes = forms.IntegerField(
        label="Largest value",
        min_value=10,
        max_value=VALUE_BYTES,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"In bytes, of one value as JSON; up to {VALUE_BYTES:,}.",
    )


def table_initial(table: Table) -> dict[str, Any]:
    return {name: getattr(table, name) for name in TableForm.base_fields}


class SheetForm(forms.Form):
    """A CSV file to bring in."""

    file = forms.FileField(
        label="CSV file",
        # Not a plain one: unfold's script stumbles over a file field that is not of its own making.
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
    )
    mode = forms.ChoiceField(
        label="Rows that are not in the file",
        choices=[(SheetMode.MERGE, "stay as they are"), (SheetMode.REPLACE, "are removed")],
        widget=UnfoldAdminSelectWidget,
    )


class ConfirmForm(forms.Form):
    """The file was looked at; now bring it in."""

    upload = forms.UUIDField(widget=forms.HiddenInput)
    mode = forms.ChoiceField(choices=[(mode, mode) for mode in SheetMode], widget=forms.HiddenInput)
    leave_out_bad = forms.BooleanField(
        label="Leave out the lines that cannot be brought in",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
    )
