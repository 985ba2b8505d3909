"""`carto`: tables and maps on CARTO, by its SQL API."""

from __future__ import annotations

from jobs.adaptors.carto.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="carto",
    title="CARTO",
    summary="Rows and map-ready tables on CARTO.",
    schema=Client.schema,
    client=Client,
)
