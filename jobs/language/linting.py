"""What can be said about a Python job without running it.

Undefined names come from pyflakes, told which names are in scope; the rest are the mistakes that this platform's own
objects invite: a function that an adaptor does not have, a setting that is not declared, a call inside once().
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyflakes import messages
from pyflakes.checker import Checker

from jobs.language.library import PACKAGE
from jobs.language.names import listed, meant
from jobs.language.scope import HELPERS, NAMES, RUN_FACTS, SHARED
from jobs.language.script import ENTRY, FunctionNode, bound_names, compile_script

# A job may import these wherever it runs; an installation names more.
ALLOWED_MODULES = frozenset({"httpx"})

# True of files, not of jobs, or a matter of taste.
_UNTOLD = (
    messages.ReturnOutsideFunction,
    messages.FStringMissingPlaceholders,
    messages.ImportShadowedByLoopVar,
)

_METHODS = {
    "log": ("debug", "info", "warning", "error"),
    "sync": ("wrote", "came_from_us"),
    "run": tuple(RUN_FACTS),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One remark about a line of a job."""

    line: int
    column: int  # from 1
    severity: str  # error | warning
    code: str  # for programs: undefined-name, unknown-operation, …
    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the job can use."""

    aliases: Mapping[str, str]  # alias -> adaptor
    settings: Sequence[str]
    steps: Sequence[str]
    modules: Sequence[str] = ()  # what this installation lets jobs import besides the standard library
    tables: Sequence[str] | None = None  # keys; None: not known
    library: Sequence[str] = ()  # modules
    is_module: bool = False  # what is looked at is no job but a module of the library

    @property
    def names(self) -> list[str]:
        if self.is_module:
            return sorted(SHARED)
        return sorted({*(name.name for name in NAMES), *self.aliases})


def lint(source: str, around: Surroundings) -> list[Finding]:
    """Everything but what the compiler says; the source is known to compile."""
    tree = ast.parse(source)
    free = {name for name in around.names if name not in bound_names(tree)}
    found = [
        *_undefined(source, around),
        *_aliases(around),
        *_operations(tree, around, free),
        *_members(tree, around, free),
        *_once(tree, free),
        *_imports(tree, around),
        *_tables(tree, around, free),
        *_library(tree, around, free),
        *(() if around.is_module else (*_entry(source, around), *_state(tree))),
    ]
    return sorted(found, key=lambda finding: (finding.line, finding.column))


def _finding(
    node: ast.AST, code: str, message: str, *, severity: str = "error", hint: str | None = None
) -> Finding:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    return Finding(line=line, column=column, severity=severity, code=code, message=message, hint=hint)


class _ReturnsAsExpressions(ast.NodeTransformer):
    """pyflakes does not look into a `return` outside a function, where ours are."""

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return ast.copy_location(ast.Expr(value=node.value) if node.value else ast.Pass(), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]


def _undefined(source: str, around: Surroundings) -> Iterator[Finding]:
    tree = ast.parse(source)
    if not around.is_module:
        tree = _ReturnsAsExpressions().visit(tree)
    for message in Checker(tree, builtins=set(around.names)).messages:
        if isinstance(message, _UNTOLD):
            continue
        if isinstance(message, messages.UndefinedName | messages.UndefinedLocal):
            name = str(message.message_args[0])
            sentence = f"`{name}` is not known here{meant(name, [*around.names, *bound_names(tree)])}"
            yield _told(message, "undefined-name", sentence, severity="error")
        else:
            sentence = message.message % message.message_args
            yield _told(message, "pyflakes", sentence[0].upper() + sentence[1:], severity="warning")


def _told(message: Any, code: str, sentence: str, *, severity: str) -> Finding:
    return Finding(
        line=message.lineno, column=message.col + 1, severity=severity, code=code, message=sentence
    )


def _aliases(around: Surroundings) -> Iterator[Finding]:
    """A connection may replace a helper, but not the language itself."""
    reserved = {name.name for name in NAMES} - {*HELPERS, "http"}
    for alias in sorted(reserved & set(around.aliases)):
        sentence = f"A connection cannot be called `{alias}`: that name has a meaning of its own in a job"
        yield Finding(line=1, column=1, severity="error", code="reserved-alias", message=sentence)


def _operations(tree: ast.AST, around: Surroundings, free: set[str]) -> Iterator[Finding]:
    """`openmrs.creat`, and groups such as `openmrs.fhir.get`."""
    known: dict[str, set[str]] = {}
    for alias, adaptor in {"http": "http", **around.aliases}.items():
        if alias not in free:
            continue
        names = _known_operations(adaptor)
        if names is None:
            sentence = f"There is no adaptor `{adaptor}`, which `{alias}` should use"
            yield Finding(line=1, column=1, severity="error", code="unknown-adaptor", message=sentence)
        else:
            known[alias] = names
    # Of `a.b.c` only the whole chain; its inner parts are nodes of their own.
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        path = _dotted(node) if id(node) not in inner else None
        if path is None or path[0] not in known:
            continue
        alias, name = path[0], ".".join(path[1:])
        names = known[alias]
        if name in names or any(each.startswith(f"{name}.") for each in names):
            continue
        if any(name.startswith(f"{each}.") for each in names):
            continue  # something of what an operation gave back
        yield _finding(
            node,
            "unknown-operation",
            f"{alias} has no function `{name}`{meant(name, names)}",
            hint=f"It has: {listed(sorted(names))}.",
        )


def _known_operations(adaptor: str) -> set[str] | None:
    from jobs.adaptors import registry

    try:
        return {operation.name for operation in registry.operations(adaptor)}
    except registry.UnknownAdaptor:
        return None


def _dotted(node: ast.AST) -> list[str] | None:
    """`a.b.c` as its parts."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not parts or not isinstance(node, ast.Name):
        return None
    return [node.id, *reversed(parts)]


def _members(tree: ast.AST, around: Surroundings, free: set[str]) -> Iterator[Finding]:
    known = {name: set(members) for name, members in {**_METHODS, **_helper_members()}.items()}
    known["settings"] = {*around.settings, "get", "keys", "values", "items"}
    for node in ast.walk(tree):
        owner, name = _member(node)
        if owner not in free or name is None or owner in around.aliases:
            continue
        if owner == "steps":
            if isinstance(node, ast.Subscript) and name not in around.steps:
                sentence = f'`steps["{name}"]` is no job that runs before this one{meant(name, around.steps)}'
                yield _finding(node, "unknown-step", sentence, severity="warning")
        elif owner in known and name not in known[owner]:
            kind = "unknown-setting" if owner == "settings" else "unknown-member"
            what = (
                f"This job has no setting `{name}`" if owner == "settings" else f"`{owner}` has no `{name}`"
            )
            yield _finding(node, kind, what + meant(name, known[owner]))


def _member(node: ast.AST) -> tuple[str, str | None]:
    """`settings.x` and `settings["x"]` alike."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id, node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if node.value.id in {"settings", "steps", "tables"} and isinstance(key, str):
            return node.value.id, key
    return "", None


def _helper_members() -> dict[str, list[str]]:
    from jobs.language.python import helpers

    found = {
        name: [each for each in dir(helper) if not each.startswith("_")] for name, helper in helpers().items()
    }
    return {name: members for name, members in found.items() if members}


def _once(tree: ast.AST, free: set[str]) -> Iterator[Finding]:
    """`once("x", f())` calls f first, on every attempt: the opposite of what was meant."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "once"):
            continue
        if "once" in free and len(node.args) > 1 and isinstance(node.args[1], ast.Call):
            yield _finding(
                node.args[1],
                "called-before-once",
                "This is called before once() can remember it",
                hint='Write once("key", openmrs.create, "patient", …), without brackets after the function.',
            )


def _imports(tree: ast.AST, around: Surroundings) -> Iterator[Finding]:
    allowed = {*sys.stdlib_module_names, *ALLOWED_MODULES, *around.modules, PACKAGE}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "." * node.level]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            if top not in allowed:
                yield _finding(
                    node,
                    "unknown-module",
                    f"A job cannot import `{top or module}`",
                    hint="There are the standard library, httpx, and what this installation allows.",
                )


def _tables(tree: ast.AST, around: Surroundings, free: set[str]) -> Iterator[Finding]:
    """A table may be made after the job that uses it, so this keeps nothing from being made live."""
    known = around.tables
    if known is None or "tables" not in free:
        return
    for node in ast.walk(tree):
        owner, name = _member(node)
        if owner != "tables" or name is None:
            continue
        key = name.replace("_", "-") if isinstance(node, ast.Attribute) else name
        if key not in known:
            sentence = f"There is no table `{key}` in this project{meant(key, known)}"
            yield _finding(node, "unknown-table", sentence, severity="warning")


def _library(tree: ast.AST, around: Surroundings, free: set[str]) -> Iterator[Finding]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and not node.level:
            package, _, module = (node.module or "").partition(".")
            if package == PACKAGE:
                names = [module.partition(".")[0]] if module else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
            names = [path[1] for path in parts if path[0] == PACKAGE and len(path) > 1]
        elif PACKAGE in free and _member(node)[0] == PACKAGE:
            names = [_member(node)[1] or ""]
        for name in names:
            if name != "*" and name not in around.library:
                sentence = f"There is no module `{name}` in the library{meant(name, around.library)}"
                yield _finding(node, "unknown-library", sentence)


def _entry(source: str, around: Surroundings) -> Iterator[Finding]:
    main = compile_script(source).main
    if main is None:
        return
    spec = main.args
    optional = len(spec.args) - len(spec.defaults)
    required = [*spec.args[:optional]]
    required += [arg for arg, given in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if given is None]
    for arg in [*spec.posonlyargs, *required]:
        if arg.arg not in around.names or arg in spec.posonlyargs:
            sentence = f"`{ENTRY}` asks for `{arg.arg}`, which is not in scope{meant(arg.arg, around.names)}"
            yield _finding(arg, "unknown-parameter", sentence)


def _state(tree: ast.Module) -> Iterator[Finding]:
    """Giving the name `state` to something else where that does not replace the state."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.AsyncFor) and _binds_state(node.target):
            yield _finding(
                node.target,
                "state-hidden",
                "This loop gives the name `state` to something else; the state itself stays as it is",
                severity="warning",
                hint="Choose another name for the loop's variable.",
            )
        if isinstance(node, FunctionNode) and not isinstance(node, ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign) and any(_binds_state(target) for target in inner.targets):
                    yield _finding(
                        inner,
                        "state-local",
                        f"This `state` is known only inside `{node.name}`; the state itself stays as it is",
                        severity="warning",
                        hint="Return the new object from main, or write state.data = ….",
                    )


def _binds_state(target: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Name) and part.id == "state" and isinstance(part.ctx, ast.Store)
        for part in ast.walk(target)
    )
