"""Filters of the workspace's templates."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template

from openfn_platform.workspace.pulse import ago as ago_in_words

register = template.Library()


@register.filter
def ago(moment: datetime | None) -> str:
    """“3 s ago”."""
    return ago_in_words(moment)


@register.filter
def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
