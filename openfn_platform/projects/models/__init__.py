"""The tenant and its people."""

from openfn_platform.projects.models.audit import AuditEntry
from openfn_platform.projects.models.invitation import Invitation
from openfn_platform.projects.models.membership import Membership, Role
from openfn_platform.projects.models.project import Project
from openfn_platform.projects.models.session import Session
from openfn_platform.projects.models.token import ApiToken, Scope
from openfn_platform.projects.models.user import User
from openfn_platform.projects.models.wiping import PayloadDue, PayloadMark

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Invitation",
    "Membership",
    "PayloadDue",
    "PayloadMark",
    "Project",
    "Role",
    "Scope",
    "Session",
    "User",
]
