"""`docs/roles.md` tells what the tables of the tests hold, whole and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from openfn_platform.projects.models import Role, Scope
from tests.api.test_scopes import ADDRESSES, SCOPES
from tests.api.test_scopes import TABLE as API
from tests.matrix.test_admin import TABLE as ADMIN

PAGE = (Path(__file__).parents[2] / "docs" / "roles.md").read_text()
KINDS = ("object", "list", "add", "installation")
Items = set[tuple[str, str, str]]


def told(heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    [part] = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


# --- pages ----------------------------------------------------------------------------------------


def item_of(pattern: str, method: str, *, differs: bool) -> tuple[str, str]:
    """`jobs/job`, `pause`; the page itself is `page`, and `save` where that needs more."""
    app, model, *rest = pattern.removeprefix("admin/").rstrip("/").split("/")
    name = "-".join(part for part in rest if not part.startswith("<")) or "list"
    if name == "change":
        name = "page" if method == "GET" else "save"
    elif differs and method == "POST":
        name += "-save"
    return f"{app}/{model}", name


def held() -> Items:
    """(model, item, who) of every page that asks for more than that one is a member."""
    found: Items = set()
    for pattern, line in ADMIN.items():
        rules = {"GET": line, "POST": line} if isinstance(line, str) else line
        differs = len({rule for rule in rules.values() if rule != "never"}) > 1
        for method, rule in rules.items():
            kind, *words = rule.split()
            who = " ".join(words) if kind != "installation" else "superuser"
            if kind in KINDS and who != Role.VIEWER:
                found.add((*item_of(pattern, method, differs=differs), who))
    return found


def test_the_page_tells_of_every_page_who_may_open_it():
    found = set()
    for _words, who, where in told("On pages"):
        for model, items in re.findall(r"`([\w/]+)`: ([\w, -]+)", where):
            found |= {(model, item.strip(), who.replace(", sees data", " data")) for item in items.split(",")}
    assert found == held()


# --- tokens ---------------------------------------------------------------------------------------


def test_the_page_tells_of_every_scope_what_it_opens():
    wanted = {
        (scope, row[0], re.sub(r"<[^>]+>", "…", ADDRESSES[name.split(" ")[0]].removeprefix("api/v1/")))
        for name, row in API.items()
        for scope in [row[2]]
        if scope and (scope != Scope.READ or row[0] != "GET")
    }
    found = {
        (scope.strip("`"), method, path)
        for scope, _words, where in told("By token")
        for method, path in re.findall(r"(\w+) `([^`]*)`", where)
    }
    assert found == wanted


def test_the_page_names_every_scope_and_every_role():
    assert [row[0].strip("`") for row in told("By token")] == [*SCOPES]
    assert [row[0].strip("*") for row in told("Roles")] == [role.value for role in Role]
