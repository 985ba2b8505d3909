"""Unpacking compressed answers piece by piece, so that a small bomb cannot fill the memory. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 65_536
GZIP_OR_ZLIB = 47


class UnpackingFailed(Exception):
    """The answer is packed in a way that cannot be read."""


class Unpacker:
    """Feeds raw bytes in, takes pieces of at most 64 kB out."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UnpackingFailed("The answer is compressed in a way that was not asked for.")
        self._packed = self._encoding not in ("", "identity")
        self._started = False
        self._unpack = zlib.decompressobj(GZIP_OR_ZLIB)

    def feed(self, raw: bytes) -> Iterator[bytes]:
        if not self._packed:
            yield raw
            return
        while raw:
            piece = self._piece(raw)
            self._started = True
            raw = self._unpack.unconsumed_tail
            if self._unpack.eof and self._unpack.unused_data:  # gzip allows several members in a row
                raw = self._unpack.unused_data
                self._unpack = zlib.decompressobj(GZIP_OR_ZLIB)
            yield piece
            if self._unpack.eof:
                return

    def finish(self) -> bytes:
        """What is left; an answer that ends in the middle is no answer."""
        if not self._packed or not self._started:
            return b""
        rest = self._unpack.flush()
        if not self._unpack.eof:
            raise UnpackingFailed("The compressed answer ends in the middle.")
        return rest

    def _piece(self, raw: bytes) -> bytes:
        try:
            return self._unpack.decompress(raw, PIECE)
        except zlib.error:
            if self._started or self._encoding != "deflate":
                raise UnpackingFailed("The answer says that it is compressed, but it is not.") from None
        self._unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # "deflate" without its wrapper, as some send it
        try:
            return self._unpack.decompress(raw, PIECE)
        except zlib.error:
            raise UnpackingFailed("The answer says that it is compressed, but it is not.") from None
