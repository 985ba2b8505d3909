"""The filter's program, evaluated here for both architectures: this machine can try only its own."""

import errno
import struct

import pytest

from runs.sandbox import seccomp
from runs.sandbox.syscalls import AUDIT_ARCHITECTURE, LAST_REVIEWED, number

PID = 4242
ALLOWED = "allowed"
machines = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def verdict(machine: str, call: int, *arguments: int, architecture: int | None = None) -> object:
    """What the kernel would do: an errno, "allowed" or "killed"."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", call, architecture or AUDIT_ARCHITECTURE[machine], 0, *values)
    code = seccomp.program(pid=PID, machine=machine)
    accumulator = place = 0
    while True:
        operation, yes, no, value = code[place]
        place += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x54:
                accumulator &= value
            case 0x15:
                place += yes if accumulator == value else no
            case 0x25:
                place += yes if accumulator > value else no
            case 0x45:
                place += yes if accumulator & value else no
            case 0x06 if value == 0x7FFF0000:
                return ALLOWED
            case 0x06 if value >> 16 == 5:
                return value & 0xFFFF
            case 0x06:
                return "killed"


def named(machine: str, name: str, *arguments: int) -> object:
    call = number(name=name, machine=machine)
    return None if call is None else verdict(machine, call, *arguments)


@machines
def test_every_refused_call_is_refused_whatever_its_arguments(machine):
    for name in (*seccomp.REFUSED, *seccomp.UNCOUNTED_MEMORY):
        assert named(machine, name) in (None, errno.EPERM), name
        assert named(machine, name, *[2**64 - 1] * 6) in (None, errno.EPERM), name


@machines
def test_jumps_fit_into_their_bytes(machine):
    for _, yes, no, _ in seccomp.program(pid=PID, machine=machine):
        assert 0 <= yes < 256
        assert 0 <= no < 256


@machines
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x00010000 | 0x100,), ALLOWED),
        ("clone", (17,), errno.EPERM),
        ("clone3", (0, 88), errno.ENOSYS),
        ("socket", (2, 1, 0), ALLOWED),
        ("socket", (10, 2 | 0o2004000, 17), ALLOWED),
        ("socket", (2, 1, 262), errno.EPROTONOSUPPORT),
        ("socket", (2, 2, 1), errno.EPROTONOSUPPORT),
        ("socket", (2, 3, 255), errno.ESOCKTNOSUPPORT),
        ("socket", (1, 1, 0), errno.EAFNOSUPPORT),
        ("socket", (16, 3, 0), errno.EAFNOSUPPORT),
        ("socketpair", (1, 1 | 0o2000000), ALLOWED),
        ("socketpair", (1, 2), errno.ESOCKTNOSUPPORT),
        ("sendto", (3, 0, 1, 0x4000), ALLOWED),
        ("sendto", (3, 0, 1, 0x20004000), errno.EPERM),
        ("sendmsg", (3, 0, 0x20000000), errno.EPERM),
        ("sendmmsg", (3, 0, 1, 0x20000000), errno.EPERM),
        ("kill", (PID, 9), ALLOWED),
        ("kill", (PID + 1, 9), errno.EPERM),
        ("kill", (0, 9), errno.EPERM),
        ("kill", (2**64 - 1, 9), errno.EPERM),
        ("tgkill", (PID, PID, 6), ALLOWED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (1, 7), errno.EPERM),
        ("prctl", (15,), ALLOWED),
        ("prctl", (1,), errno.EPERM),
        ("prctl", (4, 1), errno.EPERM),
        ("fcntl", (3, 3), ALLOWED),
        ("fcntl", (3, 8, 1), errno.EPERM),
        ("ioctl", (3, 0x5401), ALLOWED),
        ("ioctl", (3, 0x5412), errno.EPERM),
        ("fchmodat", (), 0),
    ],
)
def test_a_call_is_decided_by_its_arguments(machine, name, arguments, expected):
    assert named(machine, name, *arguments) == expected


@machines
def test_calls_newer_than_the_table_do_not_exist(machine):
    assert verdict(machine, LAST_REVIEWED + 1) == errno.ENOSYS
    assert verdict(machine, 1_000_000) == errno.ENOSYS


@machines
def test_another_architecture_is_killed(machine):
    assert verdict(machine, 0, architecture=0x40000003) == "killed"


def test_the_second_numbering_of_x86_64_is_killed():
    assert verdict("x86_64", 0x40000000 + 57) == "killed"


@machines
def test_ordinary_calls_pass(machine):
    ordinary = {"x86_64": [0, 1, 9, 42, 202, 257, 318], "aarch64": [63, 64, 222, 203, 98, 56, 278]}
    for call in ordinary[machine]:  # read, write, mmap, connect, futex, openat, getrandom
        assert verdict(machine, call, 3, 0, 10) == ALLOWED
