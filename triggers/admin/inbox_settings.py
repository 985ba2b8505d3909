"""The part of an inbox's form that says how it answers, what it takes and how much of it."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from triggers.bodies import Refused, parsed
from triggers.models import Inbox
from triggers.models.inbox import Reply, ReplyContent

ANSWER = ("reply", "reply_seconds", "reply_content", "failed_status")
EMPTIED = ("max_body_bytes", "key_per_minute", "key_burst", "schema")  # empty means something: none
MODES = (*ANSWER, *EMPTIED)
FIELDSETS = (
    ("Answer", {"fields": ANSWER}),
    ("What it takes", {"fields": EMPTIED}),
)
CAUTION = " Whoever may post here reads this data: require a key, unless it is meant for everybody who knows the address."


class SchemaField(forms.CharField):
    """A JSON document as a text. It is read as strictly as a message is, so a key that stands twice is seen."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 12, "spellcheck": "false", "class": "ws-mono"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, strip=True, max_length=200_000, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return (
            value
            if value is None or isinstance(value, str)
            else json.dumps(value, indent=2, ensure_ascii=False)
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return parsed(text.encode("utf-8", "surrogatepass"))
        except Refused as refusal:
            raise forms.ValidationError(refusal.message.replace("The body", "The schema")) from None


def fields_adapt(fields: dict[str, Any]) -> None:
    """Labels and help of the admin's form, and the schema as a text."""
    for name in ANSWER:
        if name in fields:
            fields[name].required = False
    if "schema" in fields:
        fields["schema"] = SchemaField(label="JSON Schema", help_text=fields["schema"].help_text)
    if "reply_content" in fields:
        fields["reply_content"].help_text += CAUTION


def modes_of(form: Any) -> dict[str, Any]:
    """What was typed, as the verbs take it. What was not on the form, or needs a value and got none, stays."""
    given = {
        name: form.cleaned_data[name] for name in MODES if name in form.cleaned_data and name in form.data
    }
    values = {name: value for name, value in given.items() if value not in (None, "") or name in EMPTIED}
    if "reply" in values:
        values["reply"] = Reply(values["reply"])
    if "reply_content" in values:
        values["reply_content"] = ReplyContent(values["reply_content"])
    return values


def modes_told(inbox: Inbox) -> list[str]:
    """What is unusual about an inbox, in sentences, for its page."""
    told = []
    if inbox.reply == Reply.DONE:
        told.append(f"Answers when everything has ended, after at most {inbox.reply_seconds} s.")
    if inbox.schema is not None:
        told.append("Takes only what fits its JSON Schema.")
    if inbox.key_per_minute is not None:
        told.append(f"Takes at most {inbox.key_per_minute:,} messages a minute of each key.")
    return told
