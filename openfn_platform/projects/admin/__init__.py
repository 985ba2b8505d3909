"""Admin pages of projects and people. Importing them registers them."""

from openfn_platform.projects.admin import audit, invitation, lock, membership, project, token, user

__all__ = ["audit", "invitation", "lock", "membership", "project", "token", "user"]
