"""An SFTP server over a temporary folder.

with SftpServer() as server:
    … a client logs in at `server.port` with `server.user` and `server.password` or `server.client_key` …
    server.drop_after("close")               # takes the whole file, then the line is dead
    assert server.done("write") == ["/in/visits.csv"]
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import paramiko
from paramiko import SFTPAttributes
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE, SFTP_OK

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MODES = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}


@dataclass(frozen=True)
class Operation:
    """One thing that a client did: its name as in the protocol, and to what."""

    name: str
    path: str
    more: str = ""


class SftpServer:
    """One user, one folder; several clients at a time."""

    def __init__(self, *, user: str = "clinic", password: str = "secret") -> None:
        self.user, self.password = user, password
        self.host_key = paramiko.ECDSAKey.generate()
        self.client_key = paramiko.ECDSAKey.generate()
        self.operations: list[Operation] = []
        self.logins: list[tuple[str, str, bool]] = []  # method, user, accepted
        self.folder = Path()
        self.port = 0
        self._drops: list[str] = []
        self._transports: list[paramiko.Transport] = []

    @property
    def fingerprint(self) -> str:
        """The host key as `ssh-keygen -l` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.host_key.asbytes()).digest())
        return "SHA256:" + digest.decode().rstrip("=")

    @property
    def known_host(self) -> str:
        """The host key as a line of `known_hosts`."""
        return f"[127.0.0.1]:{self.port} {self.host_key.get_name()} {self.host_key.get_base64()}"

    def drop_after(self, operation: str) -> None:
        """The next time that it was done the connection ends instead of an answer."""
        self._drops.append(operation)

    def done(self, name: str) -> list[str]:
        """Paths to which it was done, each once in a row."""
        paths = [operation.path for operation in self.operations if operation.name == name]
        return [path for n, path in enumerate(paths) if n == 0 or paths[n - 1] != path]

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="openfn-sftp-"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="sftp server")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for transport in self._transports:
            transport.close()
            transport.join(5)
        shutil.rmtree(self.folder)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, self, transport)
            self._transports.append(transport)
            # With an event it does not wait, and a client that breaks off is none of our business.
            transport.start_server(threading.Event(), _Door(self))

    def note(self, transport: paramiko.Transport, operation: Operation) -> None:
        """Remember, and drop the line when that was asked for."""
        self.operations.append(operation)
        if operation.name in self._drops:
            self._drops.remove(operation.name)
            transport.close()


class _Door(paramiko.ServerInterface):
    """Who may come in."""

    def __init__(self, server: SftpServer) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_auth_password(self, username: str, password: str) -> int:
        return self._noted("password", username, password == self._server.password)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._noted("publickey", username, key == self._server.client_key)

    def _noted(self, method: str, username: str, right: bool) -> int:
        accepted = right and username == self._server.user
        self._server.logins.append((method, username, accepted))
        return AUTH_SUCCESSFUL if accepted else AUTH_FAILED


class _File(paramiko.SFTPHandle):
    """An open file."""

    def __init__(self, note: Callable[[str], None], path: Path, flags: int) -> None:
        super().__init__(flags)
        self._note, self._path = note, path
        descriptor = os.open(path, flags, 0o644)
        mode = "ab" if flags & os.O_APPEND else MODES[flags & (os.O_WRONLY | os.O_RDWR)]
        self.readfile = self.writefile = os.fdopen(descriptor, mode, buffering=0)

    def stat(self) -> SFTPAttributes | int:
        return _attributes(self._path.stat())

    def write(self, offset: int, data: ReadableBuffer) -> int:
        answer = super().write(offset, data)
        self._note("write")
        return answer

    def read(self, offset: int, length: int) -> bytes | int:
        answer = super().read(offset, length)
        self._note("read")
        return answer

    def close(self) -> None:
        was_open = not self.writefile.closed
        super().close()
        if was_open:
            self._note("close")


class _Folder(paramiko.SFTPServerInterface):
    """The folder as a whole file system: nothing is above its root."""

    def __init__(self, door: Any, server: SftpServer, transport: paramiko.Transport) -> None:
        super().__init__(door)
        self._server, self._transport = server, transport

    def _done(self, name: str, path: str, more: str = "") -> int:
        self._server.note(self._transport, Operation(name, self.canonicalize(path), more))
        return SFTP_OK

    def _real(self, path: str) -> Path:
        return self._server.folder / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        try:
            entries = sorted(self._real(path).iterdir())
        except OSError as error:
            return _code(error)
        self._done("list", path)
        return [_attributes(entry.lstat(), entry.name) for entry in entries]

    def stat(self, path: str) -> SFTPAttributes | int:
        try:
            found = self._real(path).stat()
        except OSError as error:
            return _code(error)
        self._done("stat", path)
        return _attributes(found)

    lstat = stat

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> paramiko.SFTPHandle | int:
        try:
            handle = _File(lambda name: void(self._done(name, path)), self._real(path), flags)
        except OSError as error:
            return _code(error)
        self._done("open", path)
        return handle

    def remove(self, path: str) -> int:
        return self._changed("remove", path, lambda: self._real(path).unlink())

    def mkdir(self, path: str, attr: SFTPAttributes) -> int:
        return self._changed("mkdir", path, lambda: self._real(path).mkdir())

    def rmdir(self, path: str) -> int:
        return self._changed("rmdir", path, lambda: self._real(path).rmdir())

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        change = lambda: void(self._real(oldpath).rename(self._real(newpath)))  # noqa: E731
        return self._changed("rename", oldpath, change, self.canonicalize(newpath))

    def rename(self, oldpath: str, newpath: str) -> int:
        """Unlike `posix_rename` it replaces nothing."""
        if self._real(newpath).exists():
            return SFTP_FAILURE
        return self.posix_rename(oldpath, newpath)

    def _changed(self, name: str, path: str, change: Callable[[], None], more: str = "") -> int:
        try:
            change()
        except OSError as error:
            return _code(error)
        return self._done(name, path, more)


def void(_: object) -> None:
    """For a function whose result nobody wants."""


def _code(error: OSError) -> int:
    return paramiko.SFTPServer.convert_errno(error.errno or 0)


def _attributes(found: os.stat_result, name: str | None = None) -> SFTPAttributes:
    return SFTPAttributes.from_stat(found, name)
