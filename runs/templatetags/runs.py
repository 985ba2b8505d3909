"""Filters and tags of the pages about runs and messages."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from openfn_platform.projects.actors import actor_of
from openfn_platform.projects.badges import badge
from runs import words
from runs.models import ConnectionHold, HttpExchange, Run, WorkOrder

register = template.Library()


def sees(context: template.Context, project_id: uuid.UUID | None) -> bool:
    """Whether who reads this page may see data of that project; costs no query."""
    actor = actor_of(context["request"])
    return actor.is_superuser or (project_id is not None and actor.may_see_data(project_id))


@register.filter
def run_badge(run: Run) -> SafeString:
    """The word for its state, coloured; the exact state on hover."""
    word = words.word_of(run)
    return badge(word.text, word.tone, word.meaning)


@register.filter
def order_badge(order: WorkOrder) -> SafeString:
    word = words.OF_WORK_ORDERS[order.state]
    return badge(word.text, word.tone, word.meaning)


@register.simple_tag(takes_context=True)
def outcome(context: template.Context, run: Run) -> str:
    """`{% outcome run as said %}`: what came of it, as this reader may read it."""
    return words.outcome_of(run, sees=sees(context, run.project_id))


@register.simple_tag(takes_context=True)
def said(context: template.Context, row: Any, text: str) -> str:
    """`{% said run run.dismissed_reason %}`: words about a failure that stand with a row of a project."""
    return words.said(text, sees=sees(context, row.project_id))


@register.simple_tag(takes_context=True)
def hold_reason(context: template.Context, hold: ConnectionHold) -> str:
    return words.said_by_hold(hold, sees=sees(context, hold.project_id))


@register.filter
def cause(run: Run) -> str:
    return words.cause_of(run)


@register.filter
def took(run: Run) -> str:
    return words.duration_of(run)


@register.filter
def bytes_in_words(count: int | None) -> str:
    return words.size_of(count)


@register.filter
def milliseconds(count: int) -> str:
    return words.span(timedelta(milliseconds=count))


@register.filter
def exchange_tone(exchange: HttpExchange) -> str:
    """The colour of what came back."""
    if exchange.dry:
        return "warn"
    if exchange.error or (exchange.status or 0) >= 400:
        return "bad"
    if exchange.status is None:  # other protocols have none; there, no error is a yes
        return "good" if exchange.outcome or exchange.protocol != "http" else "bad"
    return "good" if exchange.status < 300 else "plain"


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """“3 min ago”, the exact time on hover."""
    if moment is None:
        return "–"
    exact = localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%-d %b %Y, %H:%M:%S %Z}",
        words.ago(moment),
    )


@register.filter
def exactly(moment: datetime | None) -> str:
    """To the millisecond, for logs."""
    return f"{localtime(moment):%H:%M:%S.%f}"[:-3] if moment else ""


@register.filter
def log_tone(level: Any) -> str:
    """The colour of a log line."""
    return {"error": "bad", "critical": "bad", "warning": "warn", "warn": "warn", "debug": "soft"}.get(
        str(level).lower(), "plain"
    )


@register.filter
def indent(level: int) -> str:
    """How far a branch of a tree stands in, as a class: deep chains do not run off a phone."""
    return f"run-level-{min(level, 6)}"


@register.filter
def grouped(count: int) -> str:
    """“12,345”."""
    return f"{count:,}"
