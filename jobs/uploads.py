"""CSV files on their way into a table: kept for a quarter of an hour, so that one can look before one decides."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta

import zstandard
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import Table, TableUpload
from jobs.sheets import BadSheet
from openfn_platform.common.errors import NotAllowed
from openfn_platform.common.text import one_line
from openfn_platform.projects.actors import By, author_of, require
from openfn_platform.projects.models import Role

KEPT = timedelta(minutes=15)
MOST_BYTES = 25_000_000  # by the page; a program can bring in more
PIECE = 1_000_000


def upload_park(*, table: Table, name: str, chunks: Iterable[bytes], by: By) -> TableUpload:
    """Keep the file, in place of what this person had parked for this table before."""
    require(by, table.project_id, Role.EDITOR)
    packer, packed, size = zstandard.ZstdCompressor(level=1).compressobj(), [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise BadSheet(
                f"The file is larger than {MOST_BYTES // 1_000_000} MB; cut it, or bring it in by the API."
            )
        packed.append(packer.compress(chunk))
    packed.append(packer.flush())
    user = author_of(by)
    if user is None:
        raise NotAllowed("Only a person can park a file; a program brings it in at once.")
    TableUpload.objects.filter(table=table, user=user).delete()
    return TableUpload.objects.create(
        project_id=table.project_id,
        table=table,
        user=user,
        name=one_line(name, 120),
        body=b"".join(packed),
        keep_until=timezone.now() + KEPT,
    )


def upload_find(*, table: Table, upload: uuid.UUID | None, by: By) -> TableUpload | None:
    """The upload of that id, if it is this person's, for this table, and its time is not over."""
    rows = TableUpload.objects.filter(table=table, user=author_of(by), keep_until__gt=Now())
    return rows.filter(pk=upload).first() if upload is not None else None


def upload_chunks(upload: TableUpload) -> Iterator[bytes]:
    yield from zstandard.ZstdDecompressor().read_to_iter(bytes(upload.body), write_size=PIECE)
