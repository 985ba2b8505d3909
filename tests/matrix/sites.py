"""Where the code narrows rows to what an actor may see, and how to take one such place out for a moment."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from openfn_platform.projects import scoping

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = ("openfn_platform", "jobs", "triggers", "runs")


@dataclass(frozen=True, order=True)
class Site:
    """One call of `scoped(…)` in the source."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"

    def has(self, file: str, line: int) -> bool:
        return file == self.file and self.first <= line <= self.last


@cache
def sites() -> tuple[Site, ...]:
    found = []
    for source in SOURCES:
        for path in (CHECKOUT / source).rglob("*.py"):
            text = path.read_text()
            for node in ast.walk(ast.parse(text)) if "scoped(" in text else ():
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id == "scoped"
                ):
                    name = str(path.relative_to(CHECKOUT))
                    found.append(Site(name, node.lineno, node.end_lineno or node.lineno))
    return tuple(sorted(found))


@dataclass
class Watch:
    """Which places were reached since it was last emptied; the one that is taken out lets everything through."""

    reached: set[Site] = field(default_factory=set)
    taken_out: Site | None = None


@contextmanager
def watching() -> Iterator[Watch]:
    """In the place of `scoped`, in each module that has imported it, for as long as this lasts."""
    watch, known, real = Watch(), sites(), scoping.scoped

    def scoped(queryset: Any, actor: Any, *rest: Any, **options: Any) -> Any:
        caller = sys._getframe(1)
        file = caller.f_code.co_filename.removeprefix(f"{CHECKOUT}/")
        here = next((site for site in known if site.has(file, caller.f_lineno)), None)
        if here is not None:
            watch.reached.add(here)
        return queryset if here and here == watch.taken_out else real(queryset, actor, *rest, **options)

    with ExitStack() as patches:
        for module in [module for module in list(sys.modules.values()) if _has(module)]:
            patches.enter_context(patch.object(module, "scoped", scoped))
        yield watch


def _has(module: ModuleType) -> bool:
    return getattr(module, "__dict__", {}).get("scoped") is scoping.scoped
