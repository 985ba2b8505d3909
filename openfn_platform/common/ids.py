"""UUIDv7 (RFC 9562 §5.7): random ids that sort by time, so that new rows land at the end of every index.

Neither Python 3.11 nor PostgreSQL 15 makes them. The 12 bits after the milliseconds hold a fraction of the
millisecond (method 3 of the RFC), so ids made in one process keep their order within a millisecond too.
"""

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    fraction = (rest << 12) // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= fraction << 64
    value |= 0b10 << 62
    value |= tail
    return uuid.UUID(int=value)


def uuid7_first(moment: datetime) -> uuid.UUID:
    """The least id that could have been made at that moment: what sorts before it is older."""
    return uuid.UUID(int=(int(moment.timestamp() * 1000) & ((1 << 48) - 1)) << 80)
