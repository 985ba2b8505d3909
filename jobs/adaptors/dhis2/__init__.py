"""`dhis2`: the health information system DHIS2, its aggregate data, its tracker and its metadata."""

from __future__ import annotations

from jobs.adaptors.dhis2.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="dhis2",
    title="DHIS2",
    summary="Data values, tracked entities, events and every other resource of a DHIS2 server.",
    schema=Client.schema,
    client=Client,
)
