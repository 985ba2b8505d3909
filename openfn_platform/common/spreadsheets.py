"""Rows as CSV that no program for tables takes for formulas. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(lines: Sequence[Sequence[object]]) -> bytes:
    """Some lines of a file, each cell defused."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([defused(cell) for cell in line] for line in lines)
    return text.getvalue().encode("utf-8", "replace")


def defused(cell: object) -> object:
    """The cell, with an apostrophe before what a program for tables would calculate."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell
