"""The editor's script: is it there, is it older than its sources, and making it with npm.

Loads no Django, so that it can be asked before anything is set up; `python -m openfn_platform.workspace.editor_bundle`
builds it by hand. Without the script every screen works: code is written in a plain text area.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from openfn_platform.common.errors import PlatformError

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).resolve().parent / "editor"
BUILT = CHECKOUT / "static-built"
SCRIPT = BUILT / "bundle" / "editor" / "editor.js"
STAMP = BUILT / "bundle.stamp"  # the digest of the sources that the script was made from
LOCK = BUILT / "bundle.lock"

SECONDS = 300.0  # a slow line fetches some 15 MB
SHOWN_LINES = 5


class BundleNotBuilt(PlatformError):
    """The code editor could not be built; code is written in a plain text area until then."""

    code = "bundle_not_built"
    status = 500


def bundle_is_built() -> bool:
    """True when there is a script that pages can load, even one of older sources."""
    return SCRIPT.is_file()


def bundle_needs_building() -> bool:
    """True when there is no script, or when it was made from other sources than these."""
    if not bundle_is_built():
        return True
    try:
        return STAMP.read_text("ascii") != digest()
    except OSError:
        return True


def build(*, say: Callable[[str], None] = print, seconds: float = SECONDS) -> None:
    """Fetch the parts that package-lock.json names and make one script of them. Raises `BundleNotBuilt`."""
    npm = shutil.which("npm")
    if npm is None:
        raise BundleNotBuilt(
            "The code editor needs npm to be built, and there is none: install Node.js 18 or later, then try "
            "again. Until then code is written in a plain text area."
        )
    with _alone():
        if not bundle_needs_building():
            say("The code editor is up to date.")
            return
        made_from = digest()
        say("Code editor, 1 of 2: fetching its parts.")
        _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], seconds=seconds)
        say("Code editor, 2 of 2: putting them together.")
        _run([npm, "run", "build", "--silent"], seconds=seconds)
        if not bundle_is_built():
            raise BundleNotBuilt(
                f"npm ended well but made no {SCRIPT.name}; code is written in a plain text area."
            )
        STAMP.write_text(made_from, "ascii")
    say(f"The code editor is built, {SCRIPT.stat().st_size // 1000} kB.")


def digest() -> str:
    """Of the sources' names and content. What npm fetches is pinned by package-lock.json, which is one of them."""
    total = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        inside = path.relative_to(SOURCE)
        if path.is_file() and "node_modules" not in inside.parts and not inside.name.startswith("."):
            total.update(f"{inside}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """Two builds at the same time would write the same files."""
    try:
        BUILT.mkdir(exist_ok=True)
        lock = LOCK.open("w")
    except OSError as error:
        raise BundleNotBuilt(
            f"The code editor cannot be built: {error.filename} cannot be written. Code is written in a plain "
            "text area; make the folder writable and try again."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], *, seconds: float) -> None:
    # A session of its own: npm starts programs that outlive it when only npm itself is stopped.
    process = subprocess.Popen(  # noqa: S603 - npm as found on the PATH, with fixed words
        command,
        cwd=SOURCE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise BundleNotBuilt(
                f"npm was not done with the code editor after {seconds:g} seconds and was stopped: is the line "
                "to the package registry slow or blocked? Code is written in a plain text area until then."
            ) from error
    if process.returncode != 0:
        words = " ".join(Path(part).name for part in command[:3])
        raise BundleNotBuilt(
            f"`{words}` failed, so the code editor was not built and code is written in a plain text area. "
            f"It said: {_first_lines(output)}"
        )


def _first_lines(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[:SHOWN_LINES]) or "nothing"


def main() -> int:
    try:
        build()
    except BundleNotBuilt as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
