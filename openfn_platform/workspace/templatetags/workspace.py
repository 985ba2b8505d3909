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
def inline(text: str) -> SafeString:
    """One line of a docstring as a page shows it: `code`, *stress*. Everything else is escaped."""
    marked = _CODE.sub(r'<code class="ws-code">\1</code>', str(escape(" ".join(text.split()))))
    return mark_safe(_STRESSED.sub(r"<em>\1</em>", marked))  # noqa: S308 - escaped before the marks were made


@register.filter
def prose(text: str) -> SafeString:
    """A docstring in its paragraphs."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return mark_safe("".join(f"<p>{inline(each)}</p>" for each in paragraphs if each))  # noqa: S308 - see `inline`
