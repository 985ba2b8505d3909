"""A form made from an adaptor's JSON Schema. Secrets can be typed, never read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from jobs.adaptors.spec import AdaptorSpec
from jobs.credentials import Visible

PREFIX = "value_"
CLEAR = "clear_"
LONG = ("ca", "privateKey", "private_key")  # certificates and keys have many lines
NOTHING = Visible(values={}, secrets_set=())


class SecretTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold ships no types
    """Several lines that are never sent back, not even after an error."""

    def format_value(self, value: Any) -> None:
        return None


class PairsField(forms.CharField):
    """`Name: value` lines, as an object."""

    def to_python(self, value: Any) -> Any:
        pairs = {}
        for line in (super().to_python(value) or "").splitlines():
            name, colon, text = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name.strip():
                raise forms.ValidationError("Write one a line, as Name: value.")
            pairs[name.strip()] = text.strip()
        return pairs or None


class ValuesForm(forms.Form):
    """The values of one credential for one environment."""

    def __init__(self, *args: Any, spec: AdaptorSpec, shown: Visible = NOTHING, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        required = set(spec.schema.get("required", ()))
        for name, rule in spec.schema.get("properties", {}).items():
            stored = name in shown.secrets_set
            field = _field(name, rule, stored=stored)
            # A secret that is stored need not be typed again.
            field.required = name in required and not stored
            field.label = rule.get("title", name)
            field.help_text = _help(rule, stored=stored)
            field.initial = shown.values.get(name, rule.get("default"))
            self.fields[PREFIX + name] = field
            if stored and name not in required:
                self.fields[CLEAR + name] = forms.BooleanField(
                    label=f"Remove: {field.label}", required=False, widget=UnfoldBooleanSwitchWidget
                )

    def values(self) -> dict[str, Any]:
        """By the schema's names; what was left empty is None."""
        given = {
            name.removeprefix(PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(PREFIX)
        }
        return {name: None if value == "" else value for name, value in given.items()}

    def cleared(self) -> list[str]:
        return [
            name.removeprefix(CLEAR)
            for name, value in self.cleaned_data.items()
            if name.startswith(CLEAR) and value
        ]

    def refuse(self, sentence: str, field: object) -> None:
        """What a verb said, at the field that it named."""
        name = f"{PREFIX}{field}"
        self.add_error(name if name in self.fields else None, sentence)


def _field(name: str, rule: Mapping[str, Any], *, stored: bool) -> forms.Field:
    secret = rule.get("writeOnly") is True
    hints = {"placeholder": str(rule["examples"][0])} if rule.get("examples") and not secret else {}
    if "enum" in rule:
        choices = [(value, value) for value in rule["enum"]]
        return forms.ChoiceField(choices=[("", "–"), *choices], widget=UnfoldAdminSelectWidget)
    if rule.get("type") == "boolean":
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget)
    if rule.get("type") in ("integer", "number"):
        kind = forms.IntegerField if rule["type"] == "integer" else forms.FloatField
        return kind(
            min_value=rule.get("minimum"),
            max_value=rule.get("maximum"),
            widget=UnfoldAdminIntegerFieldWidget,
        )
    if rule.get("type") == "object":
        kept = {"placeholder": "X-Tenant: north"} | ({"placeholder": _stored()} if stored else {})
        return PairsField(widget=SecretTextarea(attrs={"rows": 3, **kept}))
    if secret:
        return forms.CharField(strip=False, widget=_secret_widget(name, stored=stored))
    if name in LONG:
        return forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
    return forms.CharField(max_length=2000, widget=UnfoldAdminTextInputWidget(attrs=hints))


def _secret_widget(name: str, *, stored: bool) -> Any:
    attrs = {"autocomplete": "new-password", **({"placeholder": _stored()} if stored else {})}
    if name in LONG:
        return SecretTextarea(attrs={"rows": 3, **attrs})
    return UnfoldAdminPasswordWidget(attrs=attrs, render_value=False)


def _stored() -> str:
    return "stored; leave empty to keep it"


def _help(rule: Mapping[str, Any], *, stored: bool) -> str:
    said = str(rule.get("description", ""))
    if rule.get("type") == "object":
        said = f"{said} One a line, as Name: value."
    if rule.get("writeOnly") and stored:
        said = f"{said} Stored encrypted, never shown again."
    return said.strip()
