"""UUIDv7 (RFC 9562 §5.7): random ids that sort by time, so that new rows land at the end of every index.

Neither Python 3.11 nor PostgreSQL 15 makes them. The 12 bits after the milliseconds hold a fraction of the
millisecond (method 3 of the RFC), so ids made in one process keep their order within a millisecond too.
"""

import os
import time
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def uuid7_floor(moment: datetime) -> uuid.UUID:
    """The smallest id that is made at this moment: what is older has smaller ones, so that an id tells the age."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return uuid.UUID(int=max(0, milliseconds) << 80)
