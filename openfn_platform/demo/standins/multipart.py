"""Forms with files (`multipart/form-data`) as the stand-ins read them."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from openfn_platform.demo.standins.wire import Request


class NotMultipart(ValueError):
    """The body is no complete multipart form."""


@dataclass(frozen=True)
class Part:
    """One field or file."""

    name: str
    filename: str | None
    body: bytes

    @property
    def text(self) -> str:
        """A field's value."""
        return self.body.decode("utf-8", "replace")


def parts_of(request: Request) -> dict[str, Part]:
    """The parts of a form by name, of a repeated one the first."""
    declared = Message()
    declared["Content-Type"] = request.headers.get("content-type", "")
    boundary = declared.get_boundary()
    if request.content_type != "multipart/form-data" or not boundary:
        raise NotMultipart("The body is not declared as multipart/form-data with a boundary.")
    found: dict[str, Part] = {}
    _, *pieces = (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode())
    for piece in pieces:
        if piece.startswith(b"--"):
            return found
        part = _part(piece)
        found.setdefault(part.name, part)
    raise NotMultipart("The body ends before its last boundary.")


def _part(piece: bytes) -> Part:
    head, gap, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head)
    name = headers.get_param("name", header="content-disposition")
    if not gap or not isinstance(name, str):
        raise NotMultipart("A part has no name.")
    return Part(name, headers.get_filename(), body)
