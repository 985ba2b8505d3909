"""`hubtel`: text messages through Hubtel."""

from __future__ import annotations

from jobs.adaptors.descriptor import Call, Descriptor, Problem, basic
from jobs.adaptors.spec import address, credential, secret, text

ADAPTOR = Descriptor(
    name="hubtel",
    title="Hubtel",
    summary="Text messages through Hubtel.",
    schema=credential(
        {
            "clientId": text("Client ID", minLength=1),
            "clientSecret": secret("Client secret", minLength=1),
            "baseUrl": address("Address", "Only for a test server.", example="https://smsc.hubtel.com/v1"),
        },
        required=("clientId", "clientSecret"),
    ),
    base="{baseUrl|https://smsc.hubtel.com/v1}",
    auth=basic("clientId", "clientSecret"),
    problems=(Problem(when="responseCode", good=("0000",), message="message"),),
    calls=(
        Call(
            "send_sms",
            "(sender, to, content)",
            "POST",
            "/messages/send",
            fields={"from": "sender", "to": "to", "content": "content"},
            take="data",
            help="Send one text.",
            example='hubtel.send_sms("CLINIC", "+233200000000", "Come at 9.")',
        ),
        Call(
            "get_message",
            "(message)",
            "GET",
            "/messages/{message}",
            help="What became of a message.",
            example='hubtel.get_message("7")',
        ),
    ),
).adaptor()
