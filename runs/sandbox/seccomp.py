"""Seccomp: which system calls a child may make. Files, ports and signals to others are Landlock's business.

The filter is a list of what is refused; everything newer than the table that was reviewed is refused too. A job
needs no second process, so forking and running programs are refused outright: nothing can be left behind.
Threads still work. The program is classic BPF, made of 8-byte instructions.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence

from runs.sandbox import kernel
from runs.sandbox.syscalls import AUDIT_ARCHITECTURE, LAST_REVIEWED, number

_LOAD, _EQUALS, _GREATER, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_FILTER_MODE = 2
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x00010000
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN connects without passing the port rules of Landlock


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


REFUSED = _names("""
    fork vfork execve execveat ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
    tkill setpriority ioprio_set pidfd_open pidfd_send_signal pidfd_getfd get_robust_list migrate_pages move_pages
    unshare setns mount umount2 pivot_root chroot move_mount fsopen fsconfig fsmount fspick open_tree mount_setattr
    keyctl add_key request_key bpf perf_event_open userfaultfd
    io_uring_setup io_uring_enter io_uring_register io_setup io_submit
    init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd
    iopl ioperm modify_ldt uselib settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname syslog
    vhangup nfsservctl lookup_dcookie open_by_handle_at name_to_handle_at fanotify_init
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset personality seccomp
    chown lchown fchownat setxattr lsetxattr removexattr lremovexattr
""")

# Memory that no limit of the process counts: shared segments, queues, files without a file system.
UNCOUNTED_MEMORY = _names("""
    memfd_create memfd_secret shmget shmat shmctl shmdt semget semctl semop semtimedop
    msgget msgctl msgrcv msgsnd mq_open mq_unlink
""")

# Landlock does not know these, and they reach every file of the same user by its path. Pretending success
# keeps shutil.copy working; the mode and the times of a temp file mean nothing to the only one who sees it.
PRETENDED = _names("chmod fchmodat utime utimes utimensat futimesat")

# Calls that name a process in their first argument: only this one (or 0 where that means this one).
TO_ITSELF = _names("kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo")
ON_ITSELF = _names("prlimit64 sched_setscheduler sched_setparam sched_setattr sched_setaffinity")

_PRCTL_REFUSED = (
    kernel.PR_SET_PDEATHSIG,  # a job that outlives its zygote
    kernel.PR_SET_DUMPABLE,  # a job that opens itself to its neighbours
    kernel.PR_SET_SECCOMP,
    35,  # PR_SET_MM
    36,  # PR_SET_CHILD_SUBREAPER
    0x59616D61,  # PR_SET_PTRACER
)
_FCNTL_REFUSED = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal to somebody else by way of a file
_IOCTL_REFUSED = (0x5412, 0x541C, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP
_STREAM_PROTOCOLS = (0, socket.IPPROTO_TCP)  # MPTCP would pass by the port rules of Landlock
_DATAGRAM_PROTOCOLS = (0, socket.IPPROTO_UDP)

Instruction = tuple[int, int, int, int]


def _refuse(code: int = errno.EPERM) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | code)


_LET = (_RETURN, 0, 0, _ALLOW)


def _argument(position: int) -> Instruction:
    """Load the low half of an argument; every value that is looked at is a C int or a flag below bit 32."""
    return (_LOAD, 0, 0, 16 + 8 * position)


def _when(call: int, body: Sequence[Instruction]) -> list[Instruction]:
    """Run `body`, which must end in a return, for one call; the number is in the accumulator before and after."""
    return [(_EQUALS, 0, len(body), call), *body]


def _only(values: Sequence[int], *, position: int, code: int = errno.EPERM) -> list[Instruction]:
    """Let the call pass when the argument is one of `values`."""
    checks = [(_EQUALS, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [_argument(position), *checks, _refuse(code), _LET]


def _none_of(values: Sequence[int], *, position: int) -> list[Instruction]:
    """Refuse the call when the argument is one of `values`."""
    checks = [(_EQUALS, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [_argument(position), *checks, _LET, _refuse()]


def _bit(bit: int, *, position: int, wanted: bool, code: int = errno.EPERM) -> list[Instruction]:
    """Let the call pass when the bit is set (or is not)."""
    ends = [_LET, _refuse(code)] if wanted else [_refuse(code), _LET]
    return [_argument(position), (_ANY_BIT, 0, 1, bit), *ends]


def _socket() -> list[Instruction]:
    """Internet sockets for TCP and UDP only: no unix, netlink, packet, raw, MPTCP or SCTP sockets."""
    stream = _only(_STREAM_PROTOCOLS, position=2, code=errno.EPROTONOSUPPORT)
    datagram = _only(_DATAGRAM_PROTOCOLS, position=2, code=errno.EPROTONOSUPPORT)
    after_domain = [
        _argument(1),
        (_AND, 0, 0, 0xF),  # without SOCK_CLOEXEC and SOCK_NONBLOCK
        *_when(socket.SOCK_STREAM, stream),
        *_when(socket.SOCK_DGRAM, datagram),
        _refuse(errno.ESOCKTNOSUPPORT),
    ]
    return [
        _argument(0),
        (_EQUALS, 2, 0, socket.AF_INET),
        (_EQUALS, 1, 0, socket.AF_INET6),
        _refuse(errno.EAFNOSUPPORT),
        *after_domain,
    ]


def _socket_pair() -> list[Instruction]:
    """Stream pairs only (asyncio wakes itself with one): a datagram pair can be connected to a path later."""
    return [
        _argument(1),
        (_AND, 0, 0, 0xF),
        (_EQUALS, 1, 0, socket.SOCK_STREAM),
        _refuse(errno.ESOCKTNOSUPPORT),
        _LET,
    ]


def _rules(*, pid: int) -> dict[str, list[Instruction]]:
    """What is decided per call, by name."""
    rules = {name: [_refuse()] for name in [*REFUSED, *UNCOUNTED_MEMORY]}
    rules |= {name: [_refuse(0)] for name in PRETENDED}
    rules |= {name: _only([pid], position=0) for name in TO_ITSELF}
    rules |= {name: _only([0, pid], position=0) for name in ON_ITSELF}
    rules["clone"] = _bit(_CLONE_THREAD, position=0, wanted=True)
    rules["clone3"] = [
        _refuse(errno.ENOSYS)
    ]  # its flags are out of a filter's sight; the C library falls back
    rules["socket"] = _socket()
    rules["socketpair"] = _socket_pair()
    rules["sendto"] = _bit(_FAST_OPEN, position=3, wanted=False)
    rules["sendmsg"] = _bit(_FAST_OPEN, position=2, wanted=False)
    rules["sendmmsg"] = _bit(_FAST_OPEN, position=3, wanted=False)
    rules["prctl"] = _none_of(_PRCTL_REFUSED, position=0)
    rules["fcntl"] = _none_of(_FCNTL_REFUSED, position=1)
    rules["ioctl"] = _none_of(_IOCTL_REFUSED, position=1)
    return rules


def program(*, pid: int, machine: str) -> list[Instruction]:
    """The whole filter for one process on one architecture."""
    code: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUALS, 1, 0, AUDIT_ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":  # the x32 calls are the same doors under other numbers
        code += [(_GREATER, 0, 1, _X32_BIT - 1), (_RETURN, 0, 0, _KILL_PROCESS)]
    code += [(_GREATER, 0, 1, LAST_REVIEWED), _refuse(errno.ENOSYS)]
    for name, body in _rules(pid=pid).items():
        call = number(name=name, machine=machine)
        if call is not None:
            code += _when(call, body)
    return [*code, _LET]


def supported() -> bool:
    """Is there a table for this machine? Whether the kernel takes the filter is found out by trying."""
    return kernel.machine() in AUDIT_ARCHITECTURE


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def enforce() -> None:
    """Filter this process's calls from now on, for good."""
    code = program(pid=os.getpid(), machine=kernel.machine())
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    kernel.prctl(kernel.PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(_Program(len(code), packed)))
