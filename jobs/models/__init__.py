"""Workflows, jobs with their versions, credentials, tables, the library."""

from jobs.models.attempt import CredentialAttempt
from jobs.models.credential import Credential, CredentialBody, CredentialPrevious, ProjectCredential
from jobs.models.job import Job, JobState
from jobs.models.library import LibraryModule, LibraryVersion
from jobs.models.sealed import Sealed
from jobs.models.table import ChangeKind, Table, TableChange, TableKind, TableRow, TableUpload
from jobs.models.token import CredentialToken
from jobs.models.version import JobConnection, JobVersion
from jobs.models.workflow import Workflow

__all__ = [
    "ChangeKind",
    "Credential",
    "CredentialAttempt",
    "CredentialBody",
    "CredentialPrevious",
    "CredentialToken",
    "Job",
    "JobConnection",
    "JobState",
    "JobVersion",
    "LibraryModule",
    "LibraryVersion",
    "ProjectCredential",
    "Sealed",
    "Table",
    "TableChange",
    "TableKind",
    "TableRow",
    "TableUpload",
    "Workflow",
]
