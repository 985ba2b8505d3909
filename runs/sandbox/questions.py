"""The supervisor's end of the channel: one question, one answer, never more than one of each in memory.

A child may ask faster than it reads: while an answer waits to be taken, nothing more is read from it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from openfn_platform.common.errors import PlatformError
from runs.sandbox import wire

logger = logging.getLogger(__name__)

READ_BYTES = 1 << 18

# An answer may be given as the bytes of a JSON object: an earlier step's state is passed on without decoding.
Answer = Callable[[str, dict[str, Any]], "dict[str, Any] | bytes"]


class Questions:
    """Reads, answers and writes without ever blocking, except in the answer itself."""

    def __init__(self, *, channel: socket.socket, answer: Answer, limit: int) -> None:
        self._channel = channel
        self._answer = answer
        self._limit = limit
        self._frames = wire.FrameReader(limit=limit)
        self._question: bytes | None = None
        self._outgoing = memoryview(b"")
        self._last = False  # what is being sent is the last thing that is said
        self.closed = False

    @property
    def sending(self) -> bool:
        return bool(self._outgoing)

    @property
    def waiting(self) -> bool:
        """Is a whole question there, and nobody busy with an earlier one?"""
        return self._question is not None and not self._outgoing and not self.closed

    def move(self) -> None:
        """The channel is ready: write what is left of an answer, or read what there is of a question."""
        if self._outgoing:
            self._send()
            return
        try:
            data = self._channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        self._frames.feed(data)
        self._next()

    def answer_next(self) -> None:
        """Answer the question that waits. One per call: the caller has limits to watch in between."""
        payload, self._question = self._question, None
        if payload is not None:
            self._queue(self._reply(payload))

    def _next(self) -> None:
        if self._question is None:
            try:
                self._question = self._frames.next()
            except wire.Malformed as error:
                self._last = True
                self._queue(refusal(f"The question could not be read: {error}."))

    def _reply(self, payload: bytes) -> bytes:
        try:
            question = wire.decode_object(payload)
        except wire.Malformed as error:
            return refusal(f"The question could not be read: {error}.")
        match question:
            case {"question": str(name), "body": dict(body)}:
                return self._ask(name[:100], body)
        return refusal("The question has no name or no body.")

    def _ask(self, name: str, body: dict[str, Any]) -> bytes:
        try:
            content = self._answer(name, body)
            encoded = content if isinstance(content, bytes) else wire.encode(content)
        except PlatformError as error:
            return refusal(error.message)
        except Exception:
            # A fault of the platform must not look like one of the job, nor end the supervisor.
            logger.exception(
                "A run's question could not be answered", extra={"action": "channel", "question": name}
            )
            return refusal(f"The platform could not answer “{name}”.")
        reply = b'{"ok":true,"body":' + encoded + b"}"
        if len(reply) > self._limit:
            return refusal(f"The answer to “{name}” is larger than this run may receive.")
        return reply

    def _queue(self, payload: bytes) -> None:
        self._outgoing = memoryview(wire.frame(payload))
        self._send()

    def _send(self) -> None:
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[self._channel.send(self._outgoing, socket.MSG_NOSIGNAL) :]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._outgoing = memoryview(b"")
            self.closed = True
            return
        if self._last:
            self.closed = True
        else:
            self._next()


def refusal(sentence: str) -> bytes:
    """An answer that becomes a ChannelError in the child."""
    return wire.encode({"ok": False, "error": sentence})
