"""Admin pages about what happened: runs, messages, incidents, mails, memories, holds, exchanges;
retention, persons and what was erased.

Messages are registered here and not with their app, because their page shows the work orders that they made.
"""

from runs.admin import erasure, hold, incident, memory, message, notification, person, retention, run, sent

__all__ = [
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
