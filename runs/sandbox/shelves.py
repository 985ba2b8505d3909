"""Which files of this installation a job may read, and how a user without rights gets at them.

A job sees the interpreter, its standard library, the few packages that jobs are promised, and the platform's own
pure packages. Not settings, not models, not Django: `ImportGate` says "no such module" for the rest, and Landlock
enforces it for code that goes around imports.

Where the platform is run by root from a folder that is closed to others (/root, a home with mode 700), the jobs'
user could not even reach the standard library. The zygote then opens the folders while it still may and imports
by way of /proc/self/fd/N: the way to a folder is checked when it is opened, not when it is used.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

CHECKOUT = str(Path(__file__).resolve().parents[2])
FILE_LIST_FD = 15
FIRST_SHELF_FD = 16

# What jobs are promised, besides the standard library; each with everything that it requires.
PACKAGES = (
    "httpx",
    "jsonpath-ng",
    "jsonschema",
    "phonenumbers",
    "defusedxml",
    "psycopg",
    "psycopg-binary",
    "pymysql",
    "python-tds",
    "paramiko",
    "openpyxl",
    "pyjwt",
    "cryptography",
)
# The platform's own code that runs inside a child.
OWN = (
    "jobs/__init__.py",
    "jobs/adaptors",
    "jobs/language",
    "openfn_platform/__init__.py",
    "openfn_platform/common",
    "runs/__init__.py",
    "runs/sandbox",
)
SYSTEM = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/usr/lib/ssl",
    "/usr/lib/locale",
    "/dev/urandom",
    "/dev/zero",
)
_SYSTEM_ROOTS = ("/etc", "/usr", "/lib", "/lib64")
_SITES = ("site-packages", "dist-packages")
_BORN_WITH = {
    "README",
    "pip",
    "setuptools",
    "pkg_resources",
    "wheel",
    "_distutils_hack",
    "distutils",
    "__pycache__",
}


@dataclass(frozen=True, kw_only=True)
class Shelves:
    """What the zygote is told: where to import from, which names, and which paths a job may read."""

    import_paths: tuple[str, ...]
    names: tuple[str, ...]  # importable top-level modules besides the standard library
    readable: tuple[str, ...]
    listable: tuple[str, ...]  # folders whose names may be seen, but not their contents

    def roots(self, *, temp: str) -> tuple[str, ...]:
        """Few folders that hold everything readable, and not the folder of temp files."""
        roots = dict.fromkeys(self.listable)
        for path in self.readable:
            system = next((root for root in _SYSTEM_ROOTS if path.startswith(root + "/")), path)
            if not any(path.startswith(root + "/") for root in roots):
                roots[system] = None
        return self.readable if any(_holds(root, temp) for root in roots) else tuple(roots)


def _holds(root: str, path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(root).rstrip("/") + "/")


def _requirement_name(requirement: str) -> str | None:
    """The package a requirement names; None for those of an optional extra."""
    if re.search(r";.*\bextra\s*==", requirement):
        return None
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0] if found else None


def _distributions(packages: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The packages and all that they require, as far as installed."""
    waiting, seen, found = list(packages), set[str](), []
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a dependency of another platform or Python version
        found.append(distribution)
        waiting += [other for item in distribution.requires or () if (other := _requirement_name(item))]
    return found


def _tops(distribution: importlib.metadata.Distribution) -> set[str]:
    """The files and folders that a package put directly into site-packages."""
    tops = {path.parts[0] for path in distribution.files or ()}
    return tops - {"..", "__pycache__"}


def _standard_library() -> list[str]:
    """The folder, or its entries one by one where packages, with Django among them, are installed inside it."""
    readable = []
    for folder in dict.fromkeys(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")):
        if _holds_packages(folder):
            readable += [entry.path for entry in os.scandir(folder) if entry.name not in _SITES]
        else:
            readable.append(folder)  # each rule costs every run some microseconds
    return readable


def _holds_packages(folder: str) -> bool:
    """Is there more below it than what every interpreter is born with?"""
    for site in _SITES:
        with contextlib.suppress(FileNotFoundError):
            names = {re.split(r"[-.]", name)[0] for name in os.listdir(f"{folder}/{site}")}
            if names - _BORN_WITH:
                return True
    return False


def _libraries() -> list[str]:
    """Shared libraries that an extension module loads when it is first imported."""
    triple = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [f"{root}/{triple}" for root in ("/lib", "/usr/lib") if triple]
    own = Path(sysconfig.get_config_var("LIBDIR") or "/nonexistent")
    return [*folders, "/lib64", "/usr/lib64", *(str(path) for path in own.glob("libpython*.so*"))]


def shelves_of_this_installation(
    *, packages: Sequence[str] = PACKAGES, executor: str = "", extra: Sequence[str] = ()
) -> Shelves:
    """Look up what jobs may read here; `extra` adds paths, such as a certificate authority's own file."""
    names: set[str] = {"jobs", "runs", "openfn_platform", executor.partition(".")[0]} - {""}
    readable, sites = [*_standard_library(), *_libraries(), *SYSTEM, *extra], dict[str, None]()
    for distribution in _distributions(packages):
        site = str(Path(str(distribution.locate_file(""))).resolve())
        sites[site] = None
        for top in _tops(distribution):
            names.add(top.partition(".")[0])
            readable.append(f"{site}/{top}")
    readable += [f"{CHECKOUT}/{path}" for path in OWN]
    return Shelves(
        import_paths=(CHECKOUT, *sites),
        names=tuple(sorted(names)),
        readable=tuple(readable),
        listable=(*sites, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")),
    )


class ImportGate:
    """Stands where Python's own path finder stood, and knows only the names that jobs are promised."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names) | sys.stdlib_module_names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None and name not in self._names and not name.startswith("_sysconfigdata"):
            return None
        return PathFinder.find_spec(name, path, target)

    def find_distributions(self, *given: Any, **named: Any) -> Iterable[importlib.metadata.Distribution]:
        """Some packages ask for their own version when they are imported; paramiko does."""
        return PathFinder.find_distributions(*given, **named)

    def invalidate_caches(self) -> None:
        PathFinder.invalidate_caches()


def gate_imports(names: Iterable[str]) -> None:
    """From now on, only promised names can be imported by the ordinary way."""
    gate = ImportGate(names)
    sys.meta_path = [gate if finder is PathFinder else finder for finder in sys.meta_path]


def import_through_descriptors(paths: Iterable[str]) -> int:
    """Import from now on by way of open folders; returns the first descriptor after the shelves."""
    place = {}
    for index, path in enumerate(dict.fromkeys(filter(os.path.isdir, paths))):
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.dup2(fd, FIRST_SHELF_FD + index, inheritable=False)
        os.close(fd)
        place[path] = f"/proc/self/fd/{FIRST_SHELF_FD + index}"
    sys.path[:] = [place.get(path, path) for path in sys.path]
    for module in list(sys.modules.values()):
        folders = getattr(module, "__path__", None)
        if isinstance(folders, list):
            module.__path__ = [_moved(folder, place) for folder in folders]
    sys.path_importer_cache.clear()
    return FIRST_SHELF_FD + len(place)


def _moved(folder: str, place: dict[str, str]) -> str:
    for path, shelf in place.items():
        if folder.startswith(path + "/"):
            return shelf + folder[len(path) :]
    return folder
