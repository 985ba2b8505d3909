"""`s3`: objects in Amazon S3 and in everything that speaks like it (MinIO, Ceph, Wasabi …)."""

from __future__ import annotations

from jobs.adaptors.s3.client import Client
from jobs.adaptors.spec import AdaptorSpec

ADAPTOR = AdaptorSpec(
    name="s3",
    title="S3",
    summary="Objects in Amazon S3, MinIO and other stores that speak like it.",
    schema=Client.schema,
    client=Client,
)
