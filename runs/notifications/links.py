"""Addresses of the pages that mails point to. A link only ever opens a page: nothing happens by following it."""

from __future__ import annotations

import uuid

from django.conf import settings

from runs.models import Incident


def incident_url(incident: Incident) -> str:
    return f"{settings.PUBLIC_URL}/admin/runs/incident/{incident.pk}/change/"


def run_url(run_id: uuid.UUID) -> str:
    return f"{settings.PUBLIC_URL}/admin/runs/run/{run_id}/change/"


def incidents_url() -> str:
    """All of them: for a list that had to be cut."""
    return f"{settings.PUBLIC_URL}/admin/runs/incident/"


def credential_url(credential_id: object) -> str:
    return f"{settings.PUBLIC_URL}/admin/jobs/credential/{credential_id}/change/"
