"""`openlmis`: requisitions, stock and reference data of OpenLMIS."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, client_credentials
from jobs.adaptors.paging import PageNumber
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="openlmis",
    title="OpenLMIS",
    summary="Requisitions, stock and reference data of OpenLMIS.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://lmis.example.org"),
            "username": text("User name", minLength=1),
            "password": secret("Password"),
            "clientId": text("Client ID", default="user-client"),
            "clientSecret": secret("Client secret"),
        },
        required=("baseUrl", "username", "password"),
    ),
    base="{baseUrl}/api",
    auth=client_credentials(
        "/oauth/token",
        client_id="clientId",
        client_secret="clientSecret",
        grant_type="=password",
        username="username",
        password="password",
    ),
    words=("message", "messageKey"),
    items="content",
    paging=PageNumber(page="page", size_param="size", size=100, start=0, pages_at="totalPages"),
    test="/facilities?size=1",
    calls=(
        Call(
            "get_all",
            "(path)",
            "GET",
            "/{path}",
            take="content",
            paging=PageNumber(page="page", size_param="size", size=100, start=0, pages_at="totalPages"),
            help="Every record of a list, as `facilities` or `orderables`.",
            example='openlmis.get_all("facilities")',
        ),
    ),
).adaptor()
