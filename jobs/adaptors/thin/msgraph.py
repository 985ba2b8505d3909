"""`msgraph`: files, lists and everything else behind Microsoft Graph."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jobs.adaptors.bodies import to_json
from jobs.adaptors.descriptor import Call, Descriptor, ThinClient, bearer, client_credentials, first_of
from jobs.adaptors.errors import ValidationError
from jobs.adaptors.paging import NextUrl
from jobs.adaptors.spec import address, credential, operation, secret, text


@operation(
    example='msgraph.upload_file("b!7", "root", "week.zip", msgraph.zip({"a.csv": text, "raw/b.json": data}))'
)
def zip(self: ThinClient, files: Any) -> bytes:
    """A ZIP archive of files by name, to be uploaded: texts and bytes as they are, anything else as JSON.

    The same files give the same bytes.
    """
    if not isinstance(files, Mapping) or not files:
        raise ValidationError("msgraph.zip needs files by name.", sent=False)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in files.items():
            # An entry without a time of its own: otherwise each archive would differ from the one before.
            entry = zipfile.ZipInfo(_inside(name))
            entry.external_attr = 0o644 << 16  # or nobody may read the file once it is unpacked
            packed.writestr(entry, _bytes(content), zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _inside(name: Any) -> str:
    """A name that stays inside the folder where somebody unpacks the archive."""
    text = str(name).replace("\\", "/")
    path = PurePosixPath(text)
    if not path.name or path.is_absolute() or ".." in path.parts or ":" in text or "\0" in text:
        raise ValidationError(f"{name!r} cannot be the name of a file in a ZIP archive.", sent=False)
    return str(path)


def _bytes(content: Any) -> bytes:
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    return content.encode("utf-8", "replace") if isinstance(content, str) else to_json(content)


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
        Call(
            "create",
            "(path, data)",
            "POST",
            "/{path}",
            body="data",
            help="Make a record of a kind, as `applications` or `sites/root/lists`.",
            example='msgraph.create("sites/root/lists", {"displayName": "Visits"})',
        ),
    ),
    methods=(zip,),
).adaptor()
