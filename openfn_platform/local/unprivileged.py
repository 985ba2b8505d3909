"""As root: ways to run a program that refuses root, as PostgreSQL does."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

from openfn_platform.local.processes import CannotStart, launched

# As root without user namespaces: what `nobody` may enter, for good and for a test.
SHELTER = Path("/var/lib/openfn-platform")


@cache
def ordinary_uid() -> int:
    """Somebody who is not root and whom this machine knows by name: `initdb` looks that up."""
    return next(person.pw_uid for person in pwd.getpwall() if person.pw_uid != 0)


def nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid


@cache
def namespaces_work() -> bool:
    """Containers and hardened kernels refuse user namespaces, each in its own way: so try."""
    return _succeeds(("true",), "--pretend-uid", str(ordinary_uid()))


def enterable(installation: Path, *, uid: int) -> Path:
    """`installation`, or a copy of it that `uid` can run."""
    if _runs_as(installation, uid):
        return installation
    SHELTER.mkdir(parents=True, exist_ok=True, mode=0o711)
    facts = (installation / "bin" / "postgres").stat()
    copy = SHELTER / f"{installation.name}-{facts.st_size}-{int(facts.st_mtime)}"
    if not copy.exists():
        unfinished = SHELTER / f"{copy.name}.{os.getpid()}"
        _copy_with_libraries(installation, unfinished)
        try:
            unfinished.rename(copy)
        except OSError:  # another one was faster
            shutil.rmtree(unfinished)
    home = copy / installation.parent.name / installation.name
    if not _runs_as(home, uid):
        raise CannotStart(
            f"PostgreSQL may not run as root, and an ordinary user cannot run it from {copy} either. "
            "Start the platform as an ordinary user, or set DATABASE_URL to a server of yours."
        )
    return home


def _copy_with_libraries(installation: Path, target: Path) -> None:
    """Wheels keep foreign libraries beside the package; the programs look for them by a relative path."""
    package = installation.parent
    target.mkdir(mode=0o755)
    shutil.copytree(
        installation,
        target / package.name / installation.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("include"),
    )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    # Whatever root's umask was when the wheel was installed.
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) | (0o555 if stat.S_ISDIR(mode) or mode & 0o100 else 0o444))


def _runs_as(installation: Path, uid: int) -> bool:
    # `postgres` itself needs fewer libraries than this one.
    return _succeeds((str(installation / "bin" / "initdb"), "--version"), "--uid", str(uid))


def _succeeds(argv: tuple[str, ...], *options: str) -> bool:
    return subprocess.run(launched(argv, options), capture_output=True, cwd="/", check=False).returncode == 0  # noqa: S603
