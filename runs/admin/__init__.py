"""Admin pages about what happened: runs, messages, incidents, mails, memories, holds, exchanges.

Messages are registered here and not with their app, because their page shows the work orders that they made.
"""

from runs.admin import hold, incident, memory, message, notification, run, sent

__all__ = ["hold", "incident", "memory", "message", "notification", "run", "sent"]
