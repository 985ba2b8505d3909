"""`kobotoolbox`: forms and submissions of a KoboToolbox server."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, basic
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="kobotoolbox",
    title="KoboToolbox",
    summary="Forms and submissions of a KoboToolbox server.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://kf.kobotoolbox.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
            "apiVersion": text("API version", default="v2"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}/api/{apiVersion|v2}",
    auth=basic("username", "password"),
    items="results",
    paging=NextUrl("next"),
    test="/assets/?limit=1&format=json",
    calls=(
        Call(
            "get_forms",
            "()",
            "GET",
            "/assets/?asset_type=survey&format=json",
            take="results",
            paging=NextUrl("next"),
            help="The forms that the user may see.",
            example="kobotoolbox.get_forms()",
        ),
        Call(
            "get_submissions",
            "(form_id, *, query=None, sort=None, start=None, page_size=1000)",
            "GET",
            "/assets/{form_id}/data/",
            query={"query": "query", "sort": "sort", "start": "start", "limit": "page_size"},
            take="results",
            paging=NextUrl("next"),
            help="Submissions of a form, all pages; `query` is Kobo's, as an object or as JSON text.",
            example='kobotoolbox.get_submissions("aXb3", query={"district": "Kigoma"})',
        ),
        Call(
            "get_deployment_info",
            "(form_id)",
            "GET",
            "/assets/{form_id}/deployment/",
            help="How a form is deployed.",
            example='kobotoolbox.get_deployment_info("aXb3")',
        ),
    ),
).adaptor()
