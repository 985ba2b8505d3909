"""Make sure that the pinned requirements are there, and continue with a Python that has them.

A virtual environment is made in the checkout, or in the user's data folder where the checkout's cannot be used
(read-only, or made by somebody else). Nothing is made where the running Python has everything already.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openfn_platform.local.files import write_private
from openfn_platform.local.processes import CannotStart

CHECKOUT = Path(__file__).resolve().parent.parent.parent
STAMP = "openfn-requirements.json"
LOCK = "openfn-setup.lock"
PROGRESS_SECONDS = 10.0
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;([^\\]*))?", re.MULTILINE)


def data_home() -> Path:
    """Where this user's data live by default."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "openfn-platform"


def ensure(*, requirements: str) -> None:
    """Return when the running Python has what `requirements/<name>` pins; else start again with one that has."""
    file = CHECKOUT / "requirements" / requirements
    here = Path(sys.prefix)
    if satisfied(here, file):
        return
    if (sys.platform, os.uname().machine) not in {("linux", "x86_64"), ("linux", "aarch64")}:
        raise CannotStart("The platform runs on Linux, on x86_64 or aarch64 machines; this is another.")
    home = usable_environment(file)
    with locked(home):
        # Somebody else may have done it while we waited.
        if not python_works(home):
            make_environment(home)
        if not satisfied(home, file):
            install(home, file)
    os.execv(python_of(home), [str(python_of(home)), *sys.argv])  # noqa: S606  # ourselves again


# --- is it there?


def satisfied(prefix: Path, file: Path) -> bool:
    """True when `prefix` holds every pinned version. A stamp says so at once; without one, folder names do."""
    if python_of(prefix).exists() and stamps(prefix).get(file.name) == digest(file):
        return True
    site = site_packages(prefix)
    if site is None:
        return False
    there = {(normal(name), version) for name, version in installed_versions(site)}
    for name, version, marker in PIN.findall(file.read_text("utf-8")):
        if (normal(name), version) not in there and not (marker and not_for_us(marker)):
            return False
    write_stamp(prefix, file)
    return True


def installed_versions(site: Path) -> Iterator[tuple[str, str]]:
    for entry in os.listdir(site):
        if entry.endswith(".dist-info"):
            name, _, version = entry.removesuffix(".dist-info").partition("-")
            yield name, version


def not_for_us(marker: str) -> bool:
    """True when the condition behind a pin rules this Python out. pip brings the grammar along."""
    try:
        with warnings.catch_warnings():  # setuptools has an opinion on who imports pip after distutils
            warnings.simplefilter("ignore")
            from pip._vendor.packaging.markers import Marker
    except ImportError:
        return True  # it was installed by other means, which knew
    return not Marker(marker.strip()).evaluate()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def stamps(prefix: Path) -> dict[str, str]:
    try:
        found = json.loads((prefix / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_stamp(prefix: Path, file: Path) -> None:
    """Remember that `file` is satisfied; only in a virtual environment, and only if we may."""
    if not (prefix / "pyvenv.cfg").exists():
        return
    with suppress(OSError):
        write_private(prefix / STAMP, json.dumps(stamps(prefix) | {file.name: digest(file)}))
        (prefix / STAMP).chmod(0o644)  # the next user reads it too


def python_of(prefix: Path) -> Path:
    return prefix / "bin" / "python"


def site_packages(prefix: Path) -> Path | None:
    """The newest `site-packages` below `prefix` that we may read."""
    running = Path(sys.prefix) == prefix
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = sorted(prefix.glob(f"lib/{version if running else 'python3.*'}/site-packages"))
    return found[-1] if found and os.access(found[-1], os.R_OK) else None


# --- making it


def usable_environment(file: Path) -> Path:
    """The checkout's environment if we can use it as it is or change it, else one of our own."""
    shared = CHECKOUT / ".venv"
    if python_works(shared) and satisfied(shared, file):
        return shared
    if os.access(shared if shared.exists() else CHECKOUT, os.W_OK | os.X_OK):
        return shared
    own = data_home() / f"venv-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]}"
    if not satisfied(own, file):
        say(f"{shared} cannot be used by this user; using {own} instead.")
    return own


def python_works(home: Path) -> bool:
    """Its Python may be gone, or lie where this user may not go."""
    python = python_of(home)
    if not os.access(python, os.X_OK):
        return False
    return subprocess.run([python, "-I", "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Two that start at the same time must not install into the same folder at once."""
    if home.is_dir() and not os.access(home, os.W_OK):
        yield  # complete, and nobody changes it under us: it is not ours to change
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / LOCK).open("a")
    except OSError as error:
        raise CannotStart(f"Cannot make {home} for the requirements: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another start that sets up {home} …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment(home: Path) -> None:
    say(f"Making a virtual environment in {home} …")
    for entry in home.iterdir():
        if entry.name != LOCK:  # others wait for that very file
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    done = run_with_progress([sys.executable, "-m", "venv", str(home)], "making the environment")
    if done.returncode != 0:
        raise CannotStart(
            "Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv. "
            f"It said: {last_words(done)}"
        )


def install(home: Path, file: Path) -> None:
    count = len(PIN.findall(file.read_text("utf-8")))
    say(f"Installing {count} pinned packages; this takes about half a minute, once …")
    command = [str(python_of(home)), "-m", "pip", "install", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "-r", str(file)]
    done = run_with_progress(command, "installing")
    if done.returncode != 0:
        raise CannotStart(f"The requirements could not be installed. pip said: {last_words(done)}")
    write_stamp(home, file)


def run_with_progress(command: list[str], doing: str) -> subprocess.CompletedProcess[str]:
    """Run it, and say every now and then that it still runs."""
    environment = os.environ | {"PIP_USER": "0"}  # a user's own default would install elsewhere
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # our own arguments, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        while True:
            try:
                said, _ = process.communicate(timeout=PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"… still {doing}, {time.monotonic() - began:.0f} s")
            except BaseException:
                process.kill()
                raise
            else:
                return subprocess.CompletedProcess(command, process.returncode, said, "")


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    return " / ".join(done.stdout.strip().splitlines()[-6:]) or f"nothing (code {done.returncode})"


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
