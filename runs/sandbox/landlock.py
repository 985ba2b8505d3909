"""Landlock: which files, ports and neighbours a process can reach, as far as this kernel knows the rules.

ABI 1 has files, 2 renaming between folders, 3 truncation, 4 TCP ports, 5 device controls, 6 signals and abstract
sockets. What a kernel does not know is left out here and reported by the confinement in force.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache

from runs.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 11
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_UNIX, SCOPE_SIGNAL = 1 << 0, 1 << 1

_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = READ_FILE | READ_DIR


@cache
def abi() -> int:
    """The version that this kernel speaks; 0 where Landlock is missing or switched off."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def _handled() -> int:
    highest = {1: 12, 2: 13, 3: 14, 4: 14}.get(abi(), 15)
    return int((1 << (highest + 1)) - 1)


def _temp_rights() -> int:
    """Everything a program does in its own temp folder, except running, devices and sockets."""
    return _handled() & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK | MAKE_SOCK | IOCTL_DEV)


class Ruleset:
    """One list of permissions; whatever is not on it is refused after `enforce`. Several lists all apply."""

    def __init__(self, *, files_only: bool = False) -> None:
        attributes = struct.pack("=Q", _handled())
        if abi() >= 4 and not files_only:
            attributes += struct.pack("=Q", BIND_TCP | CONNECT_TCP)
        if abi() >= 6 and not files_only:
            attributes += struct.pack("=Q", SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL)
        self.fd = kernel.syscall(
            _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
        )

    def allow_path(self, path: str, rights: int) -> bool:
        """Open one file or folder; False when it does not exist."""
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights & _handled(), fd)
            kernel.syscall(
                _ADD_RULE, ctypes.c_int(self.fd), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)
            )
        finally:
            os.close(fd)
        return True

    def allow_reading(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.allow_path(path, READ)

    def allow_temp(self, path: str) -> None:
        self.allow_path(path, _temp_rights())

    def allow_ports(self, ports: Iterable[int]) -> None:
        """Ports that a TCP connection may be opened to, on any address: Landlock knows no addresses."""
        if abi() < 4:
            return
        for port in ports:
            rule = struct.pack("=QQ", CONNECT_TCP, port)
            kernel.syscall(
                _ADD_RULE, ctypes.c_int(self.fd), ctypes.c_int(_NET_PORT), rule, ctypes.c_uint32(0)
            )

    def enforce(self) -> None:
        """Lay the list over this process, for good, and close it."""
        enforce(self.fd)


def enforce(fd: int) -> None:
    """Lay one list over this process and everything it starts; needs `no_new_privileges`."""
    kernel.syscall(_RESTRICT_SELF, ctypes.c_int(fd), ctypes.c_uint32(0))
    os.close(fd)
