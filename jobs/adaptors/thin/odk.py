"""`odk`: ODK Central, forms and their submissions."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, bearer, first_of, log_in
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.spec import address, credential, secret, text

ODATA = NextUrl("@odata.nextLink")

ADAPTOR = Descriptor(
    name="odk",
    title="ODK Central",
    summary="Forms and submissions of an ODK Central server.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://odk.example.org"),
            "email": text("E-mail address", "Of a web user or an app user."),
            "password": secret("Password"),
            "access_token": secret("Access token", "Instead of e-mail address and password."),
        },
        required=("baseUrl",),
    ),
    base="{baseUrl}",
    prefix="/v1",
    auth=first_of(
        ("access_token", bearer("access_token")),
        ("password", log_in("/v1/sessions", {"email": "email", "password": "password"})),
    ),
    items="value",
    paging=ODATA,
    test="/users/current",
    calls=(
        Call(
            "get_forms",
            "(project_id)",
            "GET",
            "/projects/{project_id}/forms",
            help="The forms of a project.",
            example="odk.get_forms(4)",
        ),
        Call(
            "get_submissions",
            "(project_id, form_id, *, filter=None, expand=None, top=None)",
            "GET",
            "/projects/{project_id}/forms/{form_id}.svc/Submissions",
            query={"$filter": "filter", "$expand": "expand", "$top": "top"},
            take="value",
            paging=ODATA,
            help="Submissions of a form, all pages; `filter` is an OData expression.",
            example='odk.get_submissions(4, "visit", filter="__system/submissionDate ge 2026-01-01")',
        ),
    ),
).adaptor()
