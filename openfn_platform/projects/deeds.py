"""Deeds: buttons on an object's page that call one verb, after a question where it matters.

A GET never does anything: it asks, or leads back to the page. What a verb refuses is shown as a sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.http import HttpRequest, HttpResponseBase

from openfn_platform.projects.models import Role

Answer = str | HttpResponseBase
"""A sentence to show on the object's page, or a page of its own."""


def always(_object: Any) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One thing that may be done to one object."""

    name: str  # the last part of its URL
    label: str | Callable[[Any], str]
    role: Role
    do: Callable[[HttpRequest, Any, dict[str, Any]], Answer]  # the cleaned form comes last
    applies: Callable[[Any], bool] = always
    ask: str | Callable[[Any], str] = ""  # without question and form the button acts at once
    form: type[forms.Form] | None = None
    icon: str = ""
    tone: Literal["plain", "primary", "danger"] = "plain"
    hint: str = ""  # on hover
    back: str = "Cancel"  # what leads away from the question; another word where that is what the deed does

    def label_for(self, thing: Any) -> str:
        return self.label if isinstance(self.label, str) else self.label(thing)

    def question_for(self, thing: Any) -> str:
        return self.ask if isinstance(self.ask, str) else self.ask(thing)

    @property
    def asks(self) -> bool:
        return bool(self.ask) or self.form is not None


@dataclass(frozen=True, kw_only=True)
class Button:
    """A deed as a template draws it."""

    url: str
    label: str
    asks: bool
    icon: str
    tone: str
    hint: str
