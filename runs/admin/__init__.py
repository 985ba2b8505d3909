"""Admin pages about what happened: runs, messages, incidents, mails, memories, holds, exchanges, bulk operations;
retention, persons and what was erased.

Messages are registered here and not with their app, because their page shows the work orders that they made.
"""

from runs.admin import (
    bulk,
    erasure,
    hold,
    incident,
    memory,
    message,
    notification,
    person,
    retention,
    run,
    sent,
)

__all__ = [
    "bulk",
    "erasure",
    "hold",
    "incident",
    "memory",
    "message",
    "notification",
    "person",
    "retention",
    "run",
    "sent",
]
