"""`library`: the project's shared Python modules, as a job imports them.

    from library import facilities          library.facilities.name_of("12")

A module is ordinary Python. It knows what does not belong to one job (the helpers, `tables`, `log`, `fail` …, see
`scope.SHARED`); everything else, such as the state or a connection, is given to its functions as an argument. The code of
a module is compiled when it is first used, in the job's own confined process.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from jobs.language.contract import LibrarySource
from jobs.language.errors import CodeError, MissingName
from jobs.language.names import listed, meant
from jobs.language.script import COMPILER_ERRORS, LARGEST, compile_module, source_of

PACKAGE = "library"
_FILENAME = "<library {}>"


class Shelf:
    """The modules of one run, compiled when they are used."""

    def __init__(self, sources: Sequence[LibrarySource], names: Mapping[str, Any]) -> None:
        self.sources = {source.key: source_of(source.code) for source in sources}
        self.names = names  # what the modules have in scope
        self.trees: dict[str, ast.Module] = {}
        self.package = _Package(self)

    def compiled(self, name: str) -> Any:
        """The code of one module."""
        source = self.sources[name]
        try:
            if len(source.encode()) > LARGEST:
                raise ValueError("it is too big")
            tree, code = compile_module(source, filename(name))
        except COMPILER_ERRORS as error:
            line = getattr(error, "lineno", None)
            where = f" (line {line})" if line else ""
            raise CodeError(f"The module `{name}` of the library cannot be read{where}") from None
        self.trees[name] = tree
        # So that a traceback which the job itself prints shows its lines.
        linecache.cache[filename(name)] = (len(source), None, source.splitlines(True), filename(name))
        return code

    def line(self, name: str, number: int) -> str | None:
        lines = self.sources.get(name, "").split("\n")
        return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else None

    def missing(self, name: str) -> str:
        return (
            f"There is no module `{name}` in the library; there are: {listed(self.sources)}"
            f"{meant(name, self.sources)}"
        )


class _Package(ModuleType):
    """`library`: its modules are imported when somebody asks for them."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(PACKAGE, "The project's shared modules.")
        self.__path__: list[str] = []
        self._shelf = shelf

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._shelf.sources:
            raise MissingName(self._shelf.missing(name))
        return importlib.import_module(f"{PACKAGE}.{name}")


class _Finder(MetaPathFinder, Loader):
    """Gives Python's own import what the library has."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package != PACKAGE or name not in self._shelf.sources:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=filename(name))

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.partition(".")[2]
        code = self._shelf.compiled(name)
        module.__dict__.update(self._shelf.names)
        exec(code, module.__dict__)  # noqa: S102 - as confined as the job itself: this is its process


@contextmanager
def importable(shelf: Shelf) -> Iterator[None]:
    """As long as a job runs, `import library` finds its modules."""
    finder = _Finder(shelf)
    before = _ours()
    for name in before:
        del sys.modules[name]
    sys.modules[PACKAGE] = shelf.package
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _ours():
            del sys.modules[name]
        sys.modules.update(before)


def _ours() -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in sys.modules.items()
        if name == PACKAGE or name.startswith(f"{PACKAGE}.")
    }


def filename(name: str) -> str:
    return _FILENAME.format(name)


def module_of(file: str) -> str | None:
    """The module that a file's name belongs to, if it is one of the library."""
    return file[9:-1] if file.startswith("<library ") and file.endswith(">") else None
