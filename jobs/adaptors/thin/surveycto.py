"""`surveycto`: submissions and datasets of a SurveyCTO server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from jobs.adaptors.bodies import to_json
from jobs.adaptors.common import csv
from jobs.adaptors.descriptor import Call, Descriptor, ThinClient, basic
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.paging import Cursor
from jobs.adaptors.searching import as_text, refuse_empty
from jobs.adaptors.spec import address, credential, operation, secret, text

MODES = ("append", "merge", "clear")


@operation(
    example='surveycto.upload_csv_records("clinics", [{"id": "7", "name": "Kara"}], mode="merge", key="id")',
    writes=True,
)
def upload_csv_records(
    self: ThinClient,
    dataset: str,
    records: str | bytes | Iterable[Mapping[str, Any]],
    *,
    mode: str = "append",
    key: str = "",
) -> Any:
    """Upload records, or the text of a CSV, into a dataset.

    `append` adds them; `merge` changes those that have the same value in the field `key` and adds the others;
    `clear` puts them in the place of all that were there.
    """
    refuse_empty("surveycto.upload_csv_records", {"dataset": dataset})
    mode = mode.lower()
    if mode not in MODES or (mode == "merge") is not bool(key):
        raise ValidationError(
            "surveycto.upload_csv_records takes a mode of append, merge or clear, and for merge alone a key.",
            sent=False,
        )
    rows = csv.read(records) if isinstance(records, (str, bytes)) else [dict(each) for each in records]
    _check(rows, key)
    metadata = {"uploadMode": mode.upper(), **({"joiningField": key} if key else {})}
    parts = {
        "file": ("data.csv", csv.write(rows).encode("utf-8", "replace"), "text/csv"),
        "metadata": ("metadata.json", to_json(metadata), "application/json"),
    }
    # The same values for the same records: sending that twice changes nothing more. Added ones would be there twice.
    return self.request(
        "POST",
        f"/api/v2/datasets/{quote(as_text(dataset), safe='')}/records/upload",
        parts,
        content_type="multipart",
        repeatable=mode == "merge",
    ).body


def _check(rows: list[dict[str, Any]], key: str) -> None:
    """A table of nothing would empty a dataset; a record that is known by nothing would be added each time."""
    if not rows:
        raise ValidationError("surveycto.upload_csv_records was given no records.", sent=False)
    for row in rows if key else ():
        refuse_empty("surveycto.upload_csv_records", {key: row.get(key)})


ADAPTOR = Descriptor(
    name="surveycto",
    title="SurveyCTO",
    summary="Submissions and datasets of a SurveyCTO server.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://clinic.surveycto.com"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}",
    auth=basic("username", "password"),
    items="data",
    paging=Cursor("cursor", "nextCursor"),
    test="/api/v2/datasets?limit=1",
    calls=(
        Call(
            "fetch_submissions",
            "(form_id, *, date=0)",
            "GET",
            "/api/v2/forms/data/wide/json/{form_id}",
            query={"date": "date"},
            help="Submissions since a time, as SurveyCTO writes it.",
            example='surveycto.fetch_submissions("visit", date=0)',
        ),
        Call(
            "list_datasets",
            "()",
            "GET",
            "/api/v2/datasets",
            take="data",
            paging=Cursor("cursor", "nextCursor"),
            help="All datasets.",
            example="surveycto.list_datasets()",
        ),
        Call(
            "upsert_dataset",
            "(dataset)",
            "PUT",
            "/api/v2/datasets",
            body="dataset",
            help="Make or change a dataset.",
            example='surveycto.upsert_dataset({"id": "clinics"})',
        ),
        Call(
            "upsert_record",
            "(dataset, record)",
            "PATCH",
            "/api/v2/datasets/{dataset}/record",
            body="record",
            help="Make or change one record.",
            example='surveycto.upsert_record("clinics", {"id": "7"})',
        ),
    ),
    methods=(upload_csv_records,),
).adaptor()
