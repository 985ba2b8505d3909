"""`commcare`: forms, cases and lookup tables of a CommCare HQ project space."""

from __future__ import annotations

from jobs.adaptors.commcare.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="commcare",
    title="CommCare",
    summary="Forms, cases, users and lookup tables of a CommCare HQ project space.",
    schema=Client.schema,
    client=Client,
)
