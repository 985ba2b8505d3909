"""Admin pages of jobs' floor: credentials and tables. Jobs and workflows also show runs and triggers, so the workspace has them."""

from jobs.admin import credential, table

__all__ = ["credential", "table"]
