"""The few calls to the kernel that Python has no name for, by ctypes.

The library is opened when this module is imported: in the zygote, before it forks, so that a child needs to
load nothing after its doors are closed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

F_ADD_SEALS = 1033
F_SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write

_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """The name of the processor's instruction set, as the tables of system calls use it."""
    name = os.uname().machine
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(name, name)


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel by number; raises OSError like every other call of `os`."""
    answer = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def prctl(option: int, value: int = 0, pointer: object = None) -> None:
    """Change one property of this process."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), pointer or zero, zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def make_undumpable() -> None:
    """Close this process's memory and environment to other processes of the same user.

    Every worker calls it before its first run. The price: no core dumps, and no py-spy except for root.
    """
    prctl(PR_SET_DUMPABLE, 0)


def die_with_parent(*, parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends; clearing a uid undoes it."""
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before we had asked
        os._exit(79)


def no_new_privileges() -> None:
    """Make set-uid programs powerless for this process and its descendants; seccomp and Landlock ask for it."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, also those that a service manager left with an ordinary user."""
    number = _CAPSET.get(machine())
    if number is None:
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    syscall(number, ctypes.byref(header), ctypes.byref(nothing))


def drop_user(*, uid: int, gid: int) -> None:
    """Become an unprivileged user for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def seal(fd: int) -> None:
    """Make a memory file unchangeable, by anybody, for good."""
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_ALL)
