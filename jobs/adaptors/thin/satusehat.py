"""`satusehat`: resources of Indonesia's SATUSEHAT platform."""

from __future__ import annotations

from jobs.adaptors.descriptor import Descriptor, client_credentials
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="satusehat",
    title="SATUSEHAT",
    summary="Resources of Indonesia's SATUSEHAT platform.",
    schema=credential(
        {
            "baseUrl": address("Address", example="https://api-satusehat.kemkes.go.id"),
            "clientId": text("Client ID", minLength=1),
            "clientSecret": secret("Client secret", minLength=1),
        },
        required=("baseUrl", "clientId", "clientSecret"),
    ),
    base="{baseUrl}",
    prefix="/fhir-r4/v1",
    auth=client_credentials(
        "/oauth2/v1/accesstoken?grant_type=client_credentials",
        client_id="clientId",
        client_secret="clientSecret",
        in_body=True,
    ),
    words=("issue.0.details.text", "issue.0.diagnostics"),
    test="/Organization?_count=1",
).adaptor()
