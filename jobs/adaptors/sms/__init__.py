"""`sms`: text messages through one of several providers, with one verb."""

from __future__ import annotations

from jobs.adaptors.sms.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="sms",
    title="SMS",
    summary="Text messages through one of several providers, with one verb.",
    schema=Client.schema,
    client=Client,
)
