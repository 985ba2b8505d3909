"""Unpacking a body that came compressed, piece by piece, so that a small bomb cannot fill the memory. Pure."""

from __future__ import annotations

import zlib

from triggers.bodies import NotGzip, TooLarge

PIECE = 65_536
MAX_RATIO = 100  # real lists of records pack 10 to 50 times; a bomb packs a thousand times
ALWAYS_FINE = 1_000_000  # bytes: so little harms nobody, however well it was packed
MAX_MEMBERS = 1_000  # gzip allows any number in a row, and each costs a new start
_GZIP = 16 + zlib.MAX_WBITS


def inflated(raw: bytes, *, limit: int) -> bytes:
    """What `raw` holds, gzipped. Raises TooLarge long before it would be, NotGzip for anything odd."""
    most = min(limit, max(ALWAYS_FINE, MAX_RATIO * len(raw)))
    found = bytearray()
    unpack, members, packed = zlib.decompressobj(_GZIP), 1, memoryview(raw)
    for start in range(0, len(packed), PIECE):
        piece = bytes(packed[start : start + PIECE])
        while piece:
            if unpack.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise NotGzip()
                unpack = zlib.decompressobj(_GZIP)
            try:
                found += unpack.decompress(piece, most + 1 - len(found))
            except zlib.error:
                raise NotGzip() from None
            if len(found) > most:
                raise TooLarge(_sentence(most, limit))
            piece = unpack.unconsumed_tail or unpack.unused_data
    if not unpack.eof:
        raise NotGzip("The compressed body ends in the middle; send it again.")
    return bytes(found)


def _sentence(most: int, limit: int) -> str:
    if most < limit:
        return f"The body unpacks to more than {MAX_RATIO} times its size; send it without compression."
    return "Unpacked, the body is larger than this project takes."
