"""`sftp`: files on another server. paramiko is loaded when the first connection is made."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import io
import json
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from jobs.adaptors.bodies import to_json
from jobs.adaptors.common import csv as tables
from jobs.adaptors.context import Context
from jobs.adaptors.errors import (
    AdaptorError,
    AuthError,
    ConfigurationError,
    Forbidden,
    NotFound,
    Timeout,
    Unavailable,
    ValidationError,
)
from jobs.adaptors.exchanges import Exchanges
from jobs.adaptors.spec import AdaptorSpec, credential, operation, secret, text
from openfn_platform.common.addresses import AddressRefused
from openfn_platform.common.failures import HttpError, TimedOut
from openfn_platform.common.sockets import connected

SECONDS = 30.0
MOST_BYTES = 50_000_000


class Client:
    """One account on one server."""

    schema = {
        **credential(
            {
                "host": text("Server", examples=["files.example.org"], minLength=1),
                "port": {"type": "integer", "title": "Port", "default": 22, "minimum": 1, "maximum": 65535},
                "username": text("User name", minLength=1),
                "password": secret("Password"),
                "privateKey": {**secret("Private key", "As text, beginning with -----BEGIN."), "x-lines": 6},
                "passphrase": secret("Passphrase", "Of the private key, if it has one."),
                "hostKey": text(
                    "Fingerprint of the server",
                    "SHA256:… as ssh shows it. Without it any server that answers is believed.",
                    examples=["SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"],
                ),
            },
            required=("host", "username"),
        ),
        "anyOf": [{"required": ["password"]}, {"required": ["privateKey"]}],
    }

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        self.context = context
        self._configuration = configuration
        self._host = str(configuration["host"])
        self._port = int(configuration.get("port") or 22)
        names = ("password", "privateKey", "passphrase")
        secrets = tuple(str(configuration[name]) for name in names if configuration.get(name))
        self._exchanges = Exchanges(context, protocol="sftp", secrets=secrets)
        self._transport: Any = None
        self._files: Any = None

    @operation(example='files = sftp.list("/outbox", "*.csv")')
    def list(self, folder: str = ".", pattern: str = "*") -> list[dict[str, Any]]:
        """What is in a folder: `name`, `path`, `size`, `modified` (seconds), `folder` (yes or no), by name."""
        with self._told("LIST", folder) as told:
            found = [
                {
                    "name": each.filename,
                    "path": posixpath.join(folder, each.filename),
                    "size": each.st_size,
                    "modified": each.st_mtime,
                    "folder": stat.S_ISDIR(each.st_mode or 0),
                }
                for each in self._connected().listdir_attr(folder)
                if fnmatch.fnmatch(each.filename, pattern)
            ]
            told.outcome = f"{len(found)} files"
        return sorted(found, key=lambda each: str(each["name"]))

    @operation(example='content = sftp.get("/outbox/report.pdf")')
    def get(self, path: str) -> bytes:
        """A file as bytes, at most 50 MB."""
        with self._told("GET", path) as told:
            files = self._connected()
            size = files.stat(path).st_size or 0
            if size > MOST_BYTES:
                raise ValidationError(
                    f"{path} is larger than {MOST_BYTES // 1_000_000} MB; use each_line().", sent=False
                )
            with files.open(path, "rb") as file:
                file.prefetch(size)
                content: bytes = file.read()
            told.response_bytes = len(content)
            told.outcome = f"{len(content)} bytes"
        return content

    @operation(example='text = sftp.get_text("/outbox/list.txt", encoding="latin-1")')
    def get_text(self, path: str, *, encoding: str = "utf-8") -> str:
        """A file as text."""
        try:
            return self.get(path).decode(encoding)
        except (UnicodeDecodeError, LookupError):
            raise ValidationError(f"{path} is not text in {encoding}.", sent=False) from None

    @operation(example='state.data = sftp.get_json("/outbox/patients.json")')
    def get_json(self, path: str, *, encoding: str = "utf-8") -> Any:
        """A JSON file as values."""
        try:
            return json.loads(self.get_text(path, encoding=encoding))
        except ValueError:
            raise ValidationError(f"{path} is not valid JSON.", sent=False) from None

    @operation(example='rows = sftp.get_csv("/outbox/patients.csv", delimiter=";")')
    def get_csv(self, path: str, *, encoding: str = "utf-8-sig", **options: Any) -> Any:
        """A CSV file as rows; options are those of `csv.read`."""
        return tables.read(self.get_text(path, encoding=encoding), **options)

    @operation(example='for line in sftp.each_line("/outbox/big.csv"): print(line)')
    def each_line(self, path: str, *, encoding: str = "utf-8") -> Iterator[str]:
        """The lines of a big file, without holding it."""
        with self._told("GET", path), self._connected().open(path, "rb", bufsize=65_536) as file:
            for line in file:
                try:
                    text = line.decode(encoding) if isinstance(line, bytes) else line
                except (UnicodeDecodeError, LookupError):
                    raise ValidationError(f"{path} is not text in {encoding}.", sent=False) from None
                yield text.rstrip("\r\n")

    @operation(example='sftp.put("/inbox/report.csv", csv.write(rows))', writes=True)
    def put(self, path: str, content: str | bytes) -> dict[str, Any]:
        """Write a file. It appears under its name only when it is complete; a second time it replaces the first."""
        if not isinstance(content, (str, bytes, bytearray)):
            raise ValidationError(
                "A file is written from text or bytes; for values use put_json().", sent=False
            )
        data = content.encode("utf-8", "replace") if isinstance(content, str) else bytes(content)
        shown = data.decode("utf-8") if _is_text(data) else f"{len(data)} bytes, not text"
        if not self._exchanges.held("PUT", self._url(path), body=shown):
            with self._told("PUT", path, body=shown) as told:
                self._placed(path, data)
                told.outcome = f"{len(data)} bytes"
        return {"path": path, "size": len(data)}

    @operation(example='sftp.put_csv("/inbox/patients.csv", rows)', writes=True)
    def put_csv(self, path: str, rows: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Write rows as a CSV file; options are those of `csv.write`."""
        return self.put(path, tables.write(rows, **options))

    @operation(example='sftp.put_json("/inbox/patients.json", state.data)', writes=True)
    def put_json(self, path: str, value: Any) -> dict[str, Any]:
        """Write values as a JSON file."""
        return self.put(path, to_json(value))

    @operation(example='sftp.move("/outbox/a.csv", "/done/a.csv")', writes=True)
    def move(self, path: str, to: str) -> None:
        """Move or rename a file; what is at the new place is replaced."""
        if not self._exchanges.held("MOVE", self._url(path), body=to):
            with self._told("MOVE", path, body=to):
                self._connected().posix_rename(path, to)

    @operation(example='sftp.remove("/outbox/a.csv")', writes=True)
    def remove(self, path: str) -> None:
        """Delete a file; one that is gone already is no error."""
        if not self._exchanges.held("DELETE", self._url(path), body=path):
            with self._told("DELETE", path, body=path), suppress(FileNotFoundError):
                self._connected().remove(path)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        with self._told("LIST", "."):
            self._connected().stat(".")
        return f"The server {self._host} accepts the credential."

    def close(self) -> None:
        transport, self._transport, self._files = self._transport, None, None
        if transport is not None:
            transport.close()

    def __repr__(self) -> str:
        return f"<connection to {self._host}>"

    def _url(self, path: str) -> str:
        return f"sftp://{self._host}:{self._port}/{path.lstrip('/')}"

    def _placed(self, path: str, data: bytes) -> None:
        """By way of another name, so that whoever looks never finds half a file."""
        files = self._connected()
        half = f"{path}.part-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        with files.open(half, "wb") as file:
            file.set_pipelined(True)
            file.write(data)
        files.posix_rename(half, path)

    def _connected(self) -> Any:
        if self._files is None:
            import paramiko

            given = self._configuration
            ready = connected(self._exchanges.policy, self._host, self._port, timeout=SECONDS)
            self._transport = transport = paramiko.Transport(ready)
            transport.banner_timeout = transport.auth_timeout = SECONDS
            transport.start_client(timeout=SECONDS)
            self._prove(transport)
            if given.get("privateKey"):
                transport.auth_publickey(
                    given["username"], _key(given["privateKey"], given.get("passphrase"))
                )
            else:
                transport.auth_password(given["username"], given.get("password") or "")
            self._files = paramiko.SFTPClient.from_transport(transport)
            self._files.get_channel().settimeout(SECONDS)
        return self._files

    def _prove(self, transport: Any) -> None:
        wanted = str(self._configuration.get("hostKey") or "").removeprefix("SHA256:").rstrip("=")
        shown = hashlib.sha256(transport.get_remote_server_key().asbytes()).digest()
        if wanted and wanted != base64.b64encode(shown).decode("ascii").rstrip("="):
            raise ConfigurationError(
                f"{self._host} shows another key than the one in the credential; it may be another server.",
                hint="Ask its administrator for the new fingerprint.",
            )

    @contextmanager
    def _told(self, method: str, path: str, *, body: str | None = None) -> Iterator[Any]:
        around = (
            self._exchanges.read(method, self._url(path))
            if body is None
            else self._exchanges.write(method, self._url(path), body=body)
        )
        try:
            with around as told:
                yield told
        except (AdaptorError, GeneratorExit):
            raise
        except AddressRefused as error:
            raise ConfigurationError(str(error), kind="partner") from None
        except HttpError as error:
            kind = Timeout if isinstance(error, TimedOut) else Unavailable
            raise kind(f"{self._host} did not answer: {error}", sent=False) from None
        except FileNotFoundError:
            raise NotFound(f"{self._host} has no {path}.", sent=False) from None
        except PermissionError:
            raise Forbidden(f"{self._host} does not allow that with {path}.", sent=False) from None
        except Exception as error:
            raise self._failed(error, path) from error

    def _failed(self, error: Exception, path: str) -> AdaptorError:
        import paramiko

        if isinstance(error, paramiko.AuthenticationException):
            self.close()
            return AuthError(f"{self._host} does not accept the log-in.", sent=False)
        begun = self._files is not None
        self.close()
        if isinstance(error, TimeoutError):
            return Timeout(f"{self._host} did not answer in time.", sent=begun)
        # Every operation may be made a second time without harm, so a broken connection is worth another try.
        if isinstance(error, (paramiko.SSHException, EOFError, ConnectionError)):
            return Unavailable(f"The connection to {self._host} broke off.", sent=begun)
        said = self._exchanges.redact(str(error)) or type(error).__name__
        return AdaptorError(f"{self._host}: {said} ({path})", sent=begun)


def _key(text: str, passphrase: str | None) -> Any:
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError, IndexError):
            return kind.from_private_key(io.StringIO(text.strip() + "\n"), password=passphrase or None)
    raise ConfigurationError("The private key in the credential cannot be read, or needs another passphrase.")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


ADAPTOR = AdaptorSpec(
    name="sftp",
    title="SFTP",
    summary="Files on another server, by SSH.",
    schema=Client.schema,
    client=Client,
)
