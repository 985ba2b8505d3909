"""`surveycto`: submissions and datasets of a SurveyCTO server."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, basic
from jobs.adaptors.paging import Cursor
from jobs.adaptors.spec import address, credential, secret, text

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
).adaptor()
