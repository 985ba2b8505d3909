"""A measured figure, its yardstick of the same run, its goal, and the table that shows them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    benchmark: str
    what: str
    value: float
    unit: str
    yardstick: float | None = None  # in the same unit, measured in the same run
    yardstick_what: str = ""
    goal: float | None = None
    at_most: bool = False  # else the goal is a least value
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.yardstick if self.yardstick else None

    @property
    def reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        sign = "<=" if self.at_most else ">="
        return f"{sign} {number(self.goal)}: {'reached' if self.reached else 'NOT REACHED'}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def number(value: float) -> str:
    """Three digits that mean something."""
    if value != value:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


HEAD = ("", "figure", "measured", "yardstick", "ratio", "goal", "note")


def table(figures: Iterable[Figure]) -> str:
    rows = [HEAD, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in (lines[0], "-" * len(lines[0]), *lines[1:]))


def _cells(figure: Figure) -> tuple[str, ...]:
    beside = ""
    if figure.yardstick is not None:
        beside = f"{number(figure.yardstick)} {figure.unit} {figure.yardstick_what}".strip()
    return (
        figure.benchmark,
        figure.what,
        f"{number(figure.value)} {figure.unit}",
        beside,
        number(figure.ratio) if figure.ratio is not None else "",
        figure.verdict,
        figure.note,
    )
