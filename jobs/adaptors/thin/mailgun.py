"""`mailgun`: mails through Mailgun."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, fixed_basic
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="mailgun",
    title="Mailgun",
    summary="Mails through Mailgun.",
    schema=credential(
        {
            "domain": text("Domain", minLength=1),
            "apiKey": secret("API key", minLength=1),
            "baseUrl": address(
                "Address",
                "https://api.eu.mailgun.net for accounts in Europe.",
                example="https://api.mailgun.net",
            ),
        },
        required=("domain", "apiKey"),
    ),
    base="{baseUrl|https://api.mailgun.net}/v3/{domain}",
    auth=fixed_basic("api", "apiKey"),
    items="items",
    test="/tags",
    calls=(
        Call(
            "send",
            "(message)",
            "POST",
            "/messages",
            body="message",
            content_type="multipart",
            help="Send a mail (`from`, `to`, `subject`, `text`, `html`; `attachment` as (name, bytes)).",
            example='mailgun.send({"from": "a@clinic.example", "to": "b@clinic.example", "subject": "Hi", "text": "x"})',
        ),
        Call(
            "get_events",
            "(*, event=None)",
            "GET",
            "/events",
            query={"event": "event"},
            take="items",
            help="The newest events (`delivered`, `failed` …).",
            example='mailgun.get_events(event="failed")',
        ),
    ),
).adaptor()
