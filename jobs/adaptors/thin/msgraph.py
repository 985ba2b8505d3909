"""`msgraph`: files, lists and everything else behind Microsoft Graph."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, bearer, client_credentials, first_of
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="msgraph",
    title="Microsoft Graph",
    summary="Files, lists and everything else behind Microsoft Graph.",
    schema=credential(
        {
            "accessToken": secret("Access token", "Or a tenant with a client ID and secret."),
            "tenant": text("Tenant"),
            "clientId": text("Client ID"),
            "clientSecret": secret("Client secret"),
            "loginUrl": address(
                "Log-in address", "Only for a test server.", example="https://login.microsoftonline.com"
            ),
            "baseUrl": address("Address", "Only for a test server.", example="https://graph.microsoft.com"),
        },
        required=(),
    ),
    base="{baseUrl|https://graph.microsoft.com}/v1.0",
    auth=first_of(
        ("accessToken", bearer("accessToken")),
        (
            "clientSecret",
            client_credentials(
                "{loginUrl|https://login.microsoftonline.com}/{tenant}/oauth2/v2.0/token",
                client_id="clientId",
                client_secret="clientSecret",
                in_body=True,
                scope="https://graph.microsoft.com/.default",
            ),
        ),
    ),
    items="value",
    paging=NextUrl("@odata.nextLink"),
    calls=(
        Call(
            "get_all",
            "(path)",
            "GET",
            "/{path}",
            take="value",
            paging=NextUrl("@odata.nextLink"),
            help="Every record of a list, as `users` or `sites`.",
            example='msgraph.get_all("users")',
        ),
        Call(
            "get_drive",
            "(drive)",
            "GET",
            "/drives/{drive}",
            help="A drive.",
            example='msgraph.get_drive("b!7")',
        ),
        Call(
            "get_folder",
            "(drive, item)",
            "GET",
            "/drives/{drive}/items/{item}/children",
            take="value",
            paging=NextUrl("@odata.nextLink"),
            help="What is in a folder.",
            example='msgraph.get_folder("b!7", "root")',
        ),
        Call(
            "get_file",
            "(drive, item)",
            "GET",
            "/drives/{drive}/items/{item}",
            help="About a file; its address to download is `@microsoft.graph.downloadUrl`.",
            example='msgraph.get_file("b!7", "01A")',
        ),
        Call(
            "upload_file",
            "(drive, folder, name, content)",
            "PUT",
            "/drives/{drive}/items/{folder}:/{name}:/content",
            body="content",
            help="Upload a file of at most 4 MB, or replace it.",
            example='msgraph.upload_file("b!7", "root", "r.csv", text)',
        ),
    ),
).adaptor()
