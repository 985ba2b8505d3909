"""Admin pages of the triggers' floor: inboxes. Triggers also show runs, so the workspace has them."""

from triggers.admin import inbox

__all__ = ["inbox"]
