"""Workflows, jobs with their versions, credentials."""

from jobs.models.attempt import CredentialAttempt
from jobs.models.credential import Credential, CredentialBody, CredentialPrevious, ProjectCredential
from jobs.models.job import Job, JobState
from jobs.models.sealed import Sealed
from jobs.models.token import CredentialToken
from jobs.models.version import JobConnection, JobVersion
from jobs.models.workflow import Workflow

__all__ = [
    "Credential",
    "CredentialAttempt",
    "CredentialBody",
    "CredentialPrevious",
    "CredentialToken",
    "Job",
    "JobConnection",
    "JobState",
    "JobVersion",
    "ProjectCredential",
    "Sealed",
    "Workflow",
]
