"""Type stubs of what a job has in scope, for an editor at somebody's desk: one text, saved beside the job.

The operations are read from the adaptors, so that the stub of a connection cannot promise what it does not have.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable, Iterator, Mapping, Sequence

from jobs.adaptors import registry
from jobs.adaptors.spec import Operation
from jobs.language.scope import NAMES, RUN_FACTS

_HEAD = '''\
"""Names in scope of this job. Made by the platform; do not edit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

class State(dict[str, Any]):
    data: Any
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

class Log:
    def __call__(self, *values: object) -> None: ...
    def debug(self, *values: object) -> None: ...
    def info(self, *values: object) -> None: ...
    def warning(self, *values: object) -> None: ...
    def error(self, *values: object) -> None: ...

class Table:
    def __contains__(self, key: object) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def keys(self, prefix: str = ...) -> Iterator[str]: ...
    def get(self, key: object, default: Any = ..., *, fresh: bool = ...) -> Any: ...
    def get_many(self, keys: Iterable[object]) -> dict[str, Any]: ...
    def set(
        self, key: object, value: Any, *, ttl: float | timedelta | None = ..., if_absent: bool = ...
    ) -> bool: ...
    def set_many(self, rows: Mapping[Any, Any], *, ttl: float | timedelta | None = ...) -> None: ...
    def delete(self, key: object) -> bool: ...
    def each(self, prefix: str = ...) -> Iterator[tuple[str, Any]]: ...
    def __getitem__(self, key: object) -> Any: ...

class Tables:
    def __getitem__(self, key: str) -> Table: ...
    def __getattr__(self, name: str) -> Table: ...

class Cursor:
    def __call__(self, default: Any = ..., *, key: str = ..., format: str | None = ...) -> Any: ...
    def keep(self, value: Any, *, key: str = ..., format: str | None = ...) -> Any: ...

class Sync:
    def wrote(self, system: str, id: object, content: Any) -> None: ...
    def came_from_us(self, system: str, id: object, content: Any) -> bool: ...
'''

# What the names are, for a type checker; a name that is missing here is simply anything.
_TYPES = {
    "state": "state: State",
    "value": "def value(path: str, default: Any = ..., *, of: Any = ...) -> Any: ...",
    "cursor": "cursor: Cursor",
    "settings": "settings: Settings",
    "steps": "steps: Mapping[str, State]",
    "tables": "tables: Tables",
    "library": "library: Any",
    "once": "def once(key: str, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...",
    "skip": "def skip(reason: object) -> NoReturn: ...",
    "fail": "def fail(reason: object, hint: str | None = ...) -> NoReturn: ...",
    "note": "def note(text: object) -> None: ...",
    "problem": "def problem(key: object, reason: object) -> None: ...",
    "log": "log: Log",
    "run": "run: Run",
    "sync": "sync: Sync",
}


def stub(*, aliases: Mapping[str, str], settings: Sequence[str] = (), steps: Sequence[str] = ()) -> str:
    """The text of a `.pyi` file; `aliases` maps each connection to its adaptor."""
    connections = {"http": "http", **aliases}
    parts = [_HEAD, _attributes("Run", RUN_FACTS), _attributes("Settings", dict.fromkeys(settings, "Any"))]
    parts += [_client(adaptor) for adaptor in dict.fromkeys(connections.values())]
    parts += [_name(name.name, name.help) for name in NAMES if name.name not in {"print", *connections}]
    parts += [f"{alias}: {_class(adaptor)}\n" for alias, adaptor in connections.items()]
    if steps:
        parts.append(f"# steps: {', '.join(steps)}\n")
    return "\n".join(parts)


def _attributes(name: str, attributes: Mapping[str, str]) -> str:
    lines = [f"    {attribute}: {kind}" for attribute, kind in attributes.items() if _is_name(attribute)]
    return "\n".join([f"class {name}:", *(lines or ["    ..."]), ""])


def _name(name: str, help: str) -> str:
    return f"# {help}\n{_TYPES.get(name, f'{name}: Any')}\n"


def _client(adaptor: str) -> str:
    """A class for the adaptor, and one for each of its groups (`fhir.get`)."""
    groups: dict[str, list[Operation]] = {"": []}
    for operation in registry.operations(adaptor):
        group, _, _ = operation.name.rpartition(".")
        groups.setdefault(group, []).append(operation)
    inner = [group for group in groups if group]
    classes = [_methods(f"{_class(adaptor)}{_class(group)}", groups[group], ()) for group in inner]
    return "\n".join([*classes, _methods(_class(adaptor), groups[""], inner)])


def _methods(name: str, operations: Iterable[Operation], groups: Iterable[str]) -> str:
    lines = [f"    {group}: {name}{_class(group)}" for group in groups]
    for operation in operations:
        lines += _method(operation)
    return "\n".join([f"class {name}:", *(lines or ["    ..."]), ""])


def _method(operation: Operation) -> Iterator[str]:
    name = operation.name.rpartition(".")[2]
    yield f"    def {name}(self{_parameters(operation.signature)}) -> Any:"
    yield f"        {operation.summary!r}"


def _parameters(signature: str) -> str:
    """As the adaptor writes them; a default that is no plain value cannot be written in a stub."""
    inside = signature.strip()[1:].rpartition(")")[0]
    try:
        ast.parse(f"def f(self, {inside}): ...")
    except SyntaxError:
        return ", *args: Any, **kwargs: Any"
    return f", {inside}" if inside else ""


def _class(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace(".", "_").replace("-", "_").split("_"))


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)
