"""What a hostile job tries. Each one ends with `answer["open"] = True` if it got through, and raises otherwise.

`settings` tells it where everything is: a real attacker would have to guess less than one thinks.
"""

SYSCALLS = {"x86_64": {"keyctl": 250, "shmget": 29, "memfd_create": 319, "process_vm_readv": 310}}
SYSCALLS["aarch64"] = {"keyctl": 219, "shmget": 194, "memfd_create": 279, "process_vm_readv": 270}

_KERNEL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def must(value):
    if value < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value
"""

_SEND = """
connection.sendall(b"PING")
answer["open"] = connection.recv(10) == b"PONG"
"""

ATTACKS = {
    "read the worker's environment": """
text = open(f"/proc/{settings['worker']}/environ").read()
answer["open"] = settings["secret"] in text
""",
    "read its memory through proc": """
open(f"/proc/{settings['worker']}/mem", "rb").close()
answer["open"] = True
""",
    "search all of proc for the secret": """
import glob
found = 0
for name in glob.glob("/proc/[0-9]*/environ"):
    try:
        found += settings["secret"] in open(name, errors="replace").read()
    except OSError:
        pass
answer["open"] = found > 0
""",
    "read its memory by a system call": _KERNEL
    + """
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(8)
here, there = Vector(ctypes.addressof(buffer), 8), Vector(settings["address"], 8)
number = settings["syscalls"]["process_vm_readv"]
must(libc.syscall(number, settings["worker"], ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
answer["open"] = buffer.raw == b"SENTINEL"
""",
    "read the database file": """
answer["open"] = b"secret rows" in open(settings["estate"] + "/db.sqlite3", "rb").read()
""",
    "read the settings": """
answer["open"] = "SECRET_KEY" in open(settings["estate"] + "/settings.py").read()
""",
    "list the platform's folder": """
import os
answer["open"] = "settings.py" in os.listdir(settings["estate"])
""",
    "write into the platform's folder": """
open(settings["estate"] + "/planted.py", "w").write("x = 1")
answer["open"] = True
""",
    "make a file of the platform unreadable": """
import os
os.chmod(settings["estate"] + "/settings.py", 0o604)
answer["open"] = os.stat(settings["estate"] + "/settings.py").st_mode & 0o777 == 0o604
""",
    "turn back the clock of a file": """
import os
os.utime(settings["estate"] + "/settings.py", (1, 1))
answer["open"] = os.stat(settings["estate"] + "/settings.py").st_mtime == 1
""",
    "import Django": """
import sys
from importlib.machinery import PathFinder
sys.path.insert(0, settings["site"])
sys.meta_path.append(PathFinder)
import django
answer["open"] = bool(django.VERSION)
""",
    "read the temp folder of another run": """
answer["open"] = open(settings["other_run"]).read() == "patient"
""",
    "signal the worker": """
import os, signal
os.kill(settings["worker"], signal.SIGURG)
answer["open"] = True
""",
    "signal the worker by a pidfd": """
import os, signal
signal.pidfd_send_signal(os.pidfd_open(settings["worker"]), signal.SIGURG)
answer["open"] = True
""",
    "signal the zygote": """
import os, signal
os.kill(os.getppid(), signal.SIGURG)
answer["open"] = True
""",
    "signal its whole group": """
import os, signal
os.kill(0, signal.SIGURG)
answer["open"] = True
""",
    "signal by way of a file": """
import fcntl, os
reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETOWN, settings["worker"])
answer["open"] = True
""",
    "take resources from the worker": """
import resource
resource.prlimit(settings["worker"], resource.RLIMIT_CORE, (0, 0))
answer["open"] = True
""",
    "slow the worker down": """
import os
os.setpriority(os.PRIO_PROCESS, settings["worker"], 1)
answer["open"] = True
""",
    "fork": """
import os
for _ in range(30):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
answer["open"] = True
""",
    "leave a process behind": """
import os, time
pid = os.fork()
if pid == 0:
    os.setsid()
    for fd in range(20):
        try:
            os.close(fd)
        except OSError:
            pass
    time.sleep(30)
    os._exit(0)
answer["left"] = pid
answer["open"] = True
""",
    "run a program": """
import subprocess
answer["open"] = subprocess.run(["/bin/sh", "-c", "echo open"], capture_output=True).stdout == b"open\\n"
""",
    "outlive the zygote": _KERNEL
    + """
must(libc.prctl(1, 0, 0, 0, 0))
answer["open"] = True
""",
    "connect to Redis": """
import socket
connection = socket.create_connection(("127.0.0.1", settings["port"]), timeout=5)
"""
    + _SEND,
    "connect to Redis by fast open": """
import socket
connection = socket.socket()
connection.sendto(b"PING", socket.MSG_FASTOPEN, ("127.0.0.1", settings["port"]))
answer["open"] = connection.recv(10) == b"PONG"
""",
    "connect to Redis by multipath TCP": """
import socket
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
connection.settimeout(5)
connection.connect(("127.0.0.1", settings["port"]))
"""
    + _SEND,
    "listen for connections": """
import socket
socket.create_server(("127.0.0.1", 0)).close()
answer["open"] = True
""",
    "connect to a unix socket": """
import socket
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(5)
connection.connect(settings["unix"])
"""
    + _SEND,
    "write to a unix datagram socket by way of a pair": """
import socket
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.sendto(b"READY=1", settings["datagram"])
answer["open"] = True
""",
    "connect to an abstract socket": """
import socket
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(5)
connection.connect(settings["abstract"])
"""
    + _SEND,
    "speak to the kernel by netlink": """
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
answer["open"] = True
""",
    "make a user namespace": _KERNEL
    + """
must(libc.unshare(0x10000000))
answer["open"] = True
""",
    "read the kernel's keys": _KERNEL
    + """
must(libc.syscall(settings["syscalls"]["keyctl"], 0, -3, 1))
answer["open"] = True
""",
    "hide memory in a memory file": _KERNEL
    + """
must(libc.syscall(settings["syscalls"]["memfd_create"], b"x", 0))
answer["open"] = True
""",
    "hide memory in a shared segment": _KERNEL
    + """
segment = must(libc.syscall(settings["syscalls"]["shmget"], 0, 1_000_000, 0o1600))
must(libc.shmctl(segment, 0, None))
answer["open"] = True
""",
    "take 1.5 GB of memory": """
block = bytearray(1_500_000_000)
answer["open"] = True
""",
    "open 500 files": """
files = [open("/dev/null") for _ in range(500)]
answer["open"] = True
""",
    "write a file of 200 MB": """
import os
fd = os.open("big", os.O_CREAT | os.O_WRONLY)
for offset in range(0, 200_000_000, 1_000_000):
    os.pwrite(fd, b"x", offset)
os.unlink("big")
answer["open"] = True
""",
}
