"""Filters of the workspace's templates."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from openfn_platform.workspace.pulse import ago as ago_in_words

register = template.Library()

_CODE = re.compile(r"`([^`\n]+)`")
_STRESSED = re.compile(r"(?<![\w*])\*(\w[^*\n]*)\*(?![\w*])")


@register.filter
def ago(moment: datetime | None) -> str:
    """“3 s ago”."""
    return ago_in_words(moment)


@register.filter
def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def prose(text: str) -> SafeString:
    """A docstring as a page shows it: paragraphs, `code`, *stress*. Everything else is escaped."""
    shown = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        marked = _CODE.sub(r'<code class="ws-code">\1</code>', str(escape(" ".join(paragraph.split()))))
        stressed = _STRESSED.sub(r"<em>\1</em>", marked)
        shown.append(f"<p>{stressed}</p>" if stressed else "")
    return mark_safe("".join(shown))  # noqa: S308 - escaped above, before the marks were made
