"""Admin pages of jobs' floor: credentials. Jobs and workflows also show runs and triggers, so the workspace has them."""

from jobs.admin import credential

__all__ = ["credential"]
