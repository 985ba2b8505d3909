"""Small coloured words for lists and pages. The word says it all; the colour only helps."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

Tone = Literal["plain", "good", "bad", "warn", "busy"]

EMPTY = "–"


def badge(text: str, tone: Tone = "plain", title: str = "") -> SafeString:
    """A word in a coloured pill, with an explanation on hover."""
    return format_html('<span class="ws-badge ws-{}" title="{}">{}</span>', tone, title, text)


def link(url: str, text: object, title: str = "") -> SafeString:
    """A link in a list or on a page."""
    return format_html('<a class="ws-link" href="{}" title="{}">{}</a>', url, title, text)


def when(moment: datetime | None, never: str = EMPTY) -> SafeString | str:
    """A moment in the reader's time zone, with seconds and zone on hover."""
    if moment is None:
        return never
    local = timezone.localtime(moment)
    return format_html(
        '<time class="ws-time" datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{local:%A %d %B %Y, %H:%M:%S %Z}",
        f"{local:%d %b %Y, %H:%M}",
    )
