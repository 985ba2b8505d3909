"""A form made from an adaptor's JSON Schema. Secrets can be typed, never read back.

Fields that belong to a choice (`x-when`) stand in a group of their own, which a few lines of workspace.js show and
hide; without them every group is shown under its name, and what belongs to another choice is not stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
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

from jobs.adaptors.fields import When, belongs, label_of, needed, needed_where_it_belongs, when_of
from jobs.adaptors.spec import AdaptorSpec
from jobs.attempts import Parked
from jobs.credential_values import blank
from jobs.credentials import Visible

PREFIX = "value_"
CLEAR = "clear_"
NOTHING = Visible(values={}, secrets_set=())
STORED = "stored; leave empty to keep it"
TYPED = "typed a moment ago; leave empty to use it"
LONGEST_LINE = 2000


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

    def prepare_value(self, value: Any) -> Any:
        return (
            "\n".join(f"{name}: {text}" for name, text in value.items()) if isinstance(value, dict) else value
        )


class LinesField(forms.CharField):
    """One text a line, as a list."""

    def to_python(self, value: Any) -> Any:
        return [
            line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()
        ] or None

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


@dataclass
class Group:
    """Fields that are shown together."""

    title: str  # empty: they belong to every choice
    when: str  # JSON: name of a field of the form -> its values
    fields: list[forms.BoundField] = field(default_factory=list)


class ValuesForm(forms.Form):
    """The values of one credential for one environment."""

    use_required_attribute = False  # what is hidden is not asked for

    def __init__(
        self,
        *args: Any,
        spec: AdaptorSpec,
        shown: Visible = NOTHING,
        parked: Parked | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        self._stored = frozenset(shown.secrets_set)
        self._typed = {name: (parked.values if parked else {}).get(name) for name in spec.secrets()}
        for name, rule in self._rules().items():
            self._add(name, rule, shown)

    def _add(self, name: str, rule: Mapping[str, Any], shown: Visible) -> None:
        hint = TYPED if not blank(self._typed.get(name)) else STORED if name in self._stored else ""
        made = _field(rule, hint=hint)
        made.required = False  # asked for in `clean`, which knows what was chosen
        made.label = rule.get("title", name)
        made.help_text = _help(rule, stored=bool(hint))
        made.initial = shown.values.get(name, rule.get("default"))
        self.fields[PREFIX + name] = made
        if name in self._stored and not needed_where_it_belongs(self.spec.schema, name):
            self.fields[CLEAR + name] = forms.BooleanField(
                label=f"Remove: {made.label}", required=False, widget=UnfoldBooleanSwitchWidget
            )

    def _rules(self) -> dict[str, Any]:
        return dict(self.spec.schema.get("properties", {}))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: value for name, value in self.values().items() if not blank(value)}
        kept = dict.fromkeys(self._stored - set(self.cleared()), STORED)
        present = {**kept, **given}
        for name in needed(self.spec.schema, present) - set(present):
            asked = PREFIX + name
            if asked in self.fields and asked not in self.errors and belongs(self._rules()[name], given):
                self.add_error(asked, "This is needed.")
        return cleaned

    def values(self) -> dict[str, Any]:
        """By the schema's names; what was left empty is None, unless it was typed a moment ago."""
        given = {
            name.removeprefix(PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(PREFIX)
        }
        return {name: self._typed.get(name) if blank(value) else value for name, value in given.items()}

    def cleared(self) -> list[str]:
        return [
            name.removeprefix(CLEAR)
            for name, value in self.cleaned_data.items()
            if name.startswith(CLEAR) and value
        ]

    def refuse(self, sentence: str, field: object, complaints: Mapping[str, str] | None = None) -> None:
        """What a verb said, at the fields that it named."""
        for about, said in (complaints or {str(field): sentence}).items():
            name = f"{PREFIX}{about}"
            self.add_error(name if name in self.fields else None, said)

    def groups(self) -> Iterator[Group]:
        """As the template draws them, once validation is over: what must be filled in bears a mark from here on."""
        rules = self._rules()
        for when, names in groupby(rules, key=lambda name: when_of(rules[name])):
            group = Group(title=self._title(when), when=_condition(when))
            for name in names:
                bound = self[PREFIX + name]
                bound.field.required = needed_where_it_belongs(self.spec.schema, name)
                group.fields.append(bound)
                if CLEAR + name in self.fields:
                    group.fields.append(self[CLEAR + name])
            yield group

    def _title(self, when: When) -> str:
        parts = []
        for name, values in when.items():
            rule = self._rules().get(name, {})
            every = set(rule.get("enum", ())) == set(values)
            labels = [label_of(self.spec.schema, name, value) for value in values]
            parts.append(str(rule.get("title", name)) if every else " or ".join(labels))
        return ", ".join(parts)


def _condition(when: When) -> str:
    if not when:
        return ""
    return json.dumps(
        {PREFIX + name: [_as_typed(value) for value in values] for name, values in when.items()}
    )


def _as_typed(value: Any) -> str:
    """As a field of a page has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field(rule: Mapping[str, Any], *, hint: str) -> forms.Field:
    """`hint` stands in place of a secret that need not be typed again."""
    secret, kind = rule.get("writeOnly") is True, rule.get("type")
    attrs: dict[str, Any] = {"placeholder": hint} if hint else _example(rule, secret=secret)
    if "enum" in rule:
        labels = rule.get("x-labels", {})
        choices = [(value, labels.get(value, value)) for value in rule["enum"]]
        return forms.ChoiceField(choices=[("", "–"), *choices], widget=UnfoldAdminSelectWidget)
    if kind == "boolean":
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget)
    if kind in ("integer", "number"):
        made = forms.IntegerField if kind == "integer" else forms.FloatField
        return made(
            min_value=rule.get("minimum"),
            max_value=rule.get("maximum"),
            widget=UnfoldAdminIntegerFieldWidget(attrs=attrs),
        )
    if kind in ("object", "array"):
        attrs = {
            "rows": rule.get("x-lines", 3),
            "placeholder": "X-Tenant: north" if kind == "object" else "",
            **attrs,
        }
        widget = SecretTextarea(attrs=attrs) if secret else UnfoldAdminTextareaWidget(attrs=attrs)
        return PairsField(widget=widget) if kind == "object" else LinesField(widget=widget)
    return _text_field(rule, attrs, secret=secret)


def _text_field(rule: Mapping[str, Any], attrs: dict[str, Any], *, secret: bool) -> forms.Field:
    lines = rule.get("x-lines", 1)
    if lines > 1:
        attrs = {"rows": lines, "spellcheck": "false", "autocomplete": "off", **attrs}
        widget = SecretTextarea(attrs=attrs) if secret else UnfoldAdminTextareaWidget(attrs=attrs)
        return forms.CharField(strip=not secret, widget=widget)
    if secret:
        attrs = {"autocomplete": "new-password", **attrs}
        return forms.CharField(strip=False, widget=UnfoldAdminPasswordWidget(attrs=attrs, render_value=False))
    return forms.CharField(max_length=LONGEST_LINE, widget=UnfoldAdminTextInputWidget(attrs=attrs))


def _example(rule: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
    return {"placeholder": str(rule["examples"][0])} if rule.get("examples") and not secret else {}


def _help(rule: Mapping[str, Any], *, stored: bool) -> str:
    said = str(rule.get("description", ""))
    if rule.get("type") == "object":
        said = f"{said} One a line, as Name: value."
    if rule.get("type") == "array":
        said = f"{said} One a line."
    if rule.get("writeOnly") and stored:
        said = f"{said} Stored encrypted, never shown again."
    return said.strip()
