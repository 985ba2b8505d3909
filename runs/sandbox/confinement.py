"""Close the doors of a child for good, and say honestly which doors this machine can close.

Order matters: limits and folders while we still may, then the user, then no_new_privs, capabilities, Landlock,
and the system-call filter last, because it refuses several of the calls that the others need.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from runs.sandbox import kernel, landlock, seccomp
from runs.sandbox.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What holds a job back, as found by trying when the zygote started."""

    level: Literal["none", "process"] = "none"
    landlock_abi: int = 0
    seccomp: bool = False
    uid_dropped: bool = False
    details: tuple[str, ...] = ()  # what is missing here, one sentence each

    def __str__(self) -> str:
        parts = [f"landlock {self.landlock_abi}"] if self.landlock_abi else []
        parts += ["seccomp"] if self.seccomp else []
        parts += ["own user"] if self.uid_dropped else []
        return f"{self.level} ({', '.join(parts)})" if parts else self.level

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Confinement:
        return cls(**{**value, "details": tuple(value["details"])})


@dataclass(frozen=True, kw_only=True)
class Walls:
    """What is the same for every child of one zygote."""

    confined: bool
    files: int | None  # descriptor of the list of files, made by `file_list`; None without Landlock
    roots: tuple[str, ...]  # folders that hold everything on that list, and no temp files
    uid: int | None  # None: the children keep the worker's user
    gid: int | None
    baseline_bytes: int = 0  # the zygote's own address space, not counted against a job


def child_limits(*, limits: Limits, walls: Walls) -> dict[int, tuple[int, int]]:
    """The kernel's own limits, as (soft, hard)."""
    memory = walls.baseline_bytes + limits.memory_bytes
    seconds = int(limits.wall_seconds) + 2  # only if the supervisor should fail to end it
    table = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_SIGPENDING: (256, 256),
    }
    if walls.uid is not None:  # counted per user: with the worker's own user it would count the worker too
        table[resource.RLIMIT_NPROC] = (limits.processes, limits.processes)
    return table


def _set_limits(table: dict[int, tuple[int, int]]) -> None:
    for kind, (soft, hard) in table.items():
        _, ceiling = resource.getrlimit(kind)
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(kind, (soft, hard))


def confine(*, walls: Walls, limits: Limits, temp: str, ports: Sequence[int], parent: int) -> None:
    """Close every door that this kernel can close; raises when one that it claims to have does not close."""
    if not walls.confined:
        return
    own = _own_list(walls=walls, temp=temp, ports=ports) if landlock.abi() else None
    _set_limits(child_limits(limits=limits, walls=walls))
    if walls.uid is not None and walls.gid is not None:
        kernel.drop_user(uid=walls.uid, gid=walls.gid)
        kernel.die_with_parent(parent=parent)  # changing the user has cleared it
    kernel.no_new_privileges()
    kernel.make_undumpable()
    kernel.drop_capabilities()
    if own is not None and walls.files is not None:
        landlock.enforce(walls.files)
        own.enforce()
    if seccomp.supported():
        seccomp.enforce()


def file_list(*, readable: Sequence[str], listable: Sequence[str], temp: str) -> int | None:
    """The exact list of what children may read, made once by the zygote: it is long, and the same for all.

    It allows the temp folders of all runs; each child's own short list then leaves it only its own.
    """
    if not landlock.abi():
        return None
    rules = landlock.Ruleset(files_only=True)
    rules.allow_reading(readable)
    for path in listable:
        rules.allow_path(path, landlock.READ_DIR)
    rules.allow_path("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE)
    rules.allow_temp(temp)
    return rules.fd


def _own_list(*, walls: Walls, temp: str, ports: Sequence[int]) -> landlock.Ruleset:
    """What differs between runs: the temp folder and the ports."""
    rules = landlock.Ruleset()
    rules.allow_reading(walls.roots)
    rules.allow_path("/dev/null", landlock.READ_FILE | landlock.WRITE_FILE)
    rules.allow_temp(temp)
    rules.allow_ports(ports)
    return rules


def confinement_in_force(*, walls: Walls) -> Confinement:
    """Called in a confined process: try the doors, and report."""
    files = _refused(lambda: os.close(os.open("/proc/self/environ", os.O_RDONLY)), errno.EACCES)
    calls = _refused(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close(), errno.EAFNOSUPPORT)
    abi = landlock.abi() if files else 0
    root = os.getuid() == 0
    whole = files and calls and not root
    return Confinement(
        level="process" if whole else "none",
        landlock_abi=abi,
        seccomp=calls,
        uid_dropped=walls.uid is not None and not root,
        details=tuple(_missing(abi=abi, calls=calls, root=root)),
    )


def _refused(attempt: Any, code: int) -> bool:
    try:
        attempt()
    except OSError as error:
        return error.errno == code
    return False


def _missing(*, abi: int, calls: bool, root: bool) -> list[str]:
    """One sentence for each door that stays open."""
    sentences = []
    if root:
        sentences.append("Jobs run as root; give them a user of their own.")
    if not calls:
        sentences.append("This machine has no system-call filter (seccomp); jobs can start other programs.")
    if abi == 0:
        sentences.append("This kernel has no Landlock; jobs can read what their user can read.")
    elif abi < 4:
        sentences.append("This kernel's Landlock is older than 6.7; jobs can connect to every TCP port.")
    if 0 < abi < 6:
        sentences.append(
            "This kernel's Landlock is older than 6.12; abstract sockets are closed by seccomp only."
        )
    return sentences
