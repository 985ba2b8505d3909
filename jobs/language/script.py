"""From the text of a job to something callable.

A body is a script: its syntax tree becomes the body of one function, with the line numbers it has in the editor, so
that `return` ends it. Every name it gives a value to is declared global there: a script may then reuse a name of the
scope (`data = value("form")`, even `run = run.id`), and its nested functions see its names as in any Python file.

A body with `def main(…)` at top level is executed as a module and main is called, unless the body calls main itself.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jobs.language.errors import CodeError
from jobs.language.names import listed, meant

FILENAME = "<job>"
LARGEST = 256_000  # bytes; beyond it compiling alone can take a process down
ENTRY = "main"
_WRAPPER = "__job__"
# What compile() answers hostile or broken code with, seen; a segmentation fault is the supervisor's to notice.
COMPILER_ERRORS = (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError, SystemError)

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, kw_only=True)
class Script:
    """A compiled job."""

    source: str
    tree: ast.Module
    code: CodeType
    main: ast.FunctionDef | None
    replaces_state: bool  # a plain `state = …` in the body

    def line(self, number: int) -> str | None:
        lines = self.source.split("\n")
        return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else None

    def call(self, namespace: dict[str, Any], scope: Mapping[str, Any]) -> Any:
        """Run the body, or main with its parameters filled by name."""
        exec(self.code, namespace)  # noqa: S102 - this is what a job is; the process around it is the fence
        if self.main is None:
            return namespace.pop(_WRAPPER)()
        return namespace[ENTRY](**arguments(self.main, scope))


def compile_script(source: str) -> Script:
    """SyntaxError, and whatever else the compiler gives up with, is the caller's to explain."""
    source = source_of(source)
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        raise SyntaxError("the code holds a NUL character", (FILENAME, line, 1, ""))
    if len(source.encode()) > LARGEST:
        raise SyntaxError(f"The code has more than {LARGEST // 1000} kB", (FILENAME, 1, 1, ""))
    with warnings.catch_warnings():
        # What the compiler dislikes about a string is for the linter, not for a run's log.
        warnings.simplefilter("ignore")
        tree = ast.parse(source, FILENAME)
        main = _entry(tree)
        code = _compile(tree) if main else _compile_body(tree)
    return Script(source=source, tree=tree, code=code, main=main, replaces_state=_replaces(tree, "state"))


def compile_module(source: str, file: str = "<module>") -> tuple[ast.Module, CodeType]:
    """A module of the library: plain Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source, file)
        return tree, compile(tree, file, "exec", dont_inherit=True)


def source_of(text: str) -> str:
    """Without a mark of byte order, with one kind of line end."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def arguments(main: ast.FunctionDef, scope: Mapping[str, Any]) -> dict[str, Any]:
    """What main asks for, by name; a parameter with a default may ask for something that is not in scope."""
    spec = main.args
    named = [*spec.args, *spec.kwonlyargs]
    required = {arg.arg for arg in spec.args[: len(spec.args) - len(spec.defaults)]}
    required |= {
        arg.arg for arg, given in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if given is None
    }
    if spec.posonlyargs:
        raise CodeError("`main` gets its parameters by name, so it cannot have a `/`.", line=main.lineno)
    for name in [arg.arg for arg in named]:
        if name in required and name not in scope:
            raise CodeError(
                f"`main` asks for `{name}`, which is not in scope; in scope are: {listed(sorted(scope))}"
                f"{meant(name, scope)}",
                line=main.lineno,
            )
    return {arg.arg: scope[arg.arg] for arg in named if arg.arg in scope}


def _compile(tree: ast.Module) -> CodeType:
    return compile(tree, FILENAME, "exec", dont_inherit=True)


def _compile_body(tree: ast.Module) -> CodeType:
    """Twice: the first pass lets Python itself find the names that the body binds."""
    future, body = _split_future(tree.body)
    for node in _own(body):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            raise SyntaxError("'yield' outside function", (FILENAME, node.lineno, node.col_offset + 1, None))
    plain = _WithoutGlobals()
    wrapper = _wrap([plain.visit(statement) for statement in body])
    module = ast.Module(body=[*future, wrapper], type_ignores=[])
    code = _compile(module)
    inner = next(const for const in code.co_consts if isinstance(const, CodeType))
    # A name that a nested function calls nonlocal has to stay a local of the body.
    shared = {name for node in ast.walk(tree) if isinstance(node, ast.Nonlocal) for name in node.names}
    bound = sorted({*inner.co_varnames, *inner.co_cellvars} - shared)
    if not bound:
        return code
    wrapper.body.insert(0, ast.copy_location(ast.Global(names=bound), wrapper))
    return _compile(module)


def _wrap(body: list[ast.stmt]) -> ast.FunctionDef:
    wrapper = ast.parse(f"def {_WRAPPER}(): pass").body[0]
    assert isinstance(wrapper, ast.FunctionDef)  # noqa: S101
    wrapper.body = body or wrapper.body
    return wrapper


def _split_future(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    future = [node for node in body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    return list(future), [node for node in body if node not in future]


class _WithoutGlobals(ast.NodeTransformer):
    """`global x` and the type of `x: int = 1` at the top of a script change nothing; in our wrapper they would."""

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):
            return node
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a body that are not inside a function or class of its own."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FunctionNode | ast.ClassDef):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _entry(tree: ast.Module) -> ast.FunctionDef | None:
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ENTRY]
    if not found or _calls_main(tree):
        return None
    return found[-1]


def _calls_main(tree: ast.Module) -> bool:
    """The habit of ending a script with `main()`; calling it once more would do everything twice."""
    statements = [node for node in tree.body if not _is_guard(node)]
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == ENTRY
        for node in _own(statements)
    )


def _is_guard(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`"""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _replaces(tree: ast.Module, name: str) -> bool:
    """Whether the body gives the name a new value on purpose; a loop variable of that name does not."""
    assigned: set[int] = set()
    bound: set[int] = set()
    for node in _own(tree.body):
        if isinstance(node, ast.Assign):
            assigned |= {id(target) for target in node.targets}
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            assigned.add(id(node.target))
        elif isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            bound.add(id(node))
    return bool(bound) and bound <= assigned


def bound_names(tree: ast.Module) -> set[str]:
    """Every name that the code gives a value anywhere: what the linter must not take for a connection."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler):
            found.add(node.name or "")
    return found
