"""Start one program so that it cannot outlive the supervisor, and (for PostgreSQL, which refuses root) not as root.

Run as a file by `processes.Process`, never imported by it: what is set here must be set between fork and exec, and
running Python code there (`preexec_fn`) may hang when another thread holds a lock.

    launch.py --parent PID --death-signal N [--uid N | --pretend-uid N] -- program argument ...
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def pretend_uid(uid: int) -> None:
    """Become `uid` in a user namespace of our own: files of root stay ours, privileges go at exec."""
    if libc().unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are refused here")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def become_uid(uid: int) -> None:
    """Give root up for good."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def die_with(parent: int, number: int) -> None:
    """Have the kernel send `number` when the supervisor is gone, also by kill -9."""
    libc().prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it went before the line above
        sys.exit(1)


def undo_signals() -> None:
    """Python ignores SIGPIPE, a background shell SIGINT; neither may reach the program."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main(arguments: list[str]) -> None:
    undo_signals()
    split = arguments.index("--")
    options = dict(zip(arguments[0:split:2], arguments[1:split:2], strict=True))
    program = arguments[split + 1 :]
    if "--pretend-uid" in options:
        pretend_uid(int(options["--pretend-uid"]))
    if "--uid" in options:
        become_uid(int(options["--uid"]))
    # After the change of user: that clears it.
    die_with(int(options["--parent"]), int(options["--death-signal"]))
    try:
        os.execvp(program[0], program)  # noqa: S606  # no shell is wanted
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
