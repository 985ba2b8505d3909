"""Workflows, jobs with their versions, credentials."""

from jobs.models.credential import Credential, CredentialBody, ProjectCredential
from jobs.models.job import Job, JobState
from jobs.models.version import JobConnection, JobVersion
from jobs.models.workflow import Workflow

__all__ = [
    "Credential",
    "CredentialBody",
    "Job",
    "JobConnection",
    "JobState",
    "JobVersion",
    "ProjectCredential",
    "Workflow",
]
