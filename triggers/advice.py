"""What to do about each reason for which an inbox refuses messages: for somebody who runs the project. Pure."""

from __future__ import annotations

_BY_CODE = {
    "access_expired": "A key, password or signing secret has expired and its sender goes on using it: make a new one and "
    "give it to the sender.",
    "access_revoked": "A sender still uses what was revoked: give it a new key, or switch the sender off.",
    "bad_idempotency_key": "The sender’s id of the message must be one word of visible ASCII characters; correct it "
    "there.",
    "bad_length": "The sender’s Content-Length is wrong, or a proxy on the way has changed it.",
    "cut_short": "The connection broke while the message came. A sender that repeats needs nothing; else send it again.",
    "empty_body": "The sender posted nothing: look at its template, or at what it is set to forward.",
    "idempotency_mismatch": "The sender used the same id for two different messages: it must make a new id for each, and "
    "keep it only when it repeats one.",
    "inbox_off": "Switch the inbox on; the senders have to send again what they did not keep.",
    "not_a_document": "The sender posts a single value: it must be an object or a list.",
    "not_a_form": "The form cannot be read; the sender’s Content-Type or its boundary is wrong.",
    "not_authenticated": "Somebody came without anything that opens the inbox. If the address is that of a partner, "
    "its key is missing or mistyped: compare how it begins, or make a new one.",
    "not_gzip": "The sender says that it compresses with gzip and does not: correct its Content-Encoding.",
    "not_json": "The sender’s JSON is broken; the reason says at which line and column.",
    "not_storable": "A text holds U+0000 or half a character, which no database keeps: the sender must leave it out.",
    "not_xml": "The sender’s XML is broken, or has a document type, which is not read.",
    "rate_limited": "A sender posts faster than the limit allows. One that repeats later loses nothing; raise the limit if "
    "that is its usual pace.",
    "schema_mismatch": "The message does not fit the inbox’s JSON Schema; the reason says where. Correct the sender or "
    "the schema.",
    "schema_too_costly": "Checking the message by the JSON Schema took too long: make the schema simpler.",
    "scope_missing": "An API token without the scope “intake” was used: make one that has it.",
    "too_busy": "Too many runs of this project wait: see why they do not end, or let more of them run at once. Senders "
    "that repeat lose nothing.",
    "too_deep": "The message is nested more than 100 levels deep: the sender must flatten it.",
    "too_large": "Send less at once, or raise the largest size of a message in the project’s settings.",
    "too_many_tries": "Many wrong passwords came: somebody guesses, or a sender has an old one. Passwords that were made "
    "here cannot be guessed.",
    "two_ids": "The sender gives a message two ids, Idempotency-Key and webhook-id: leave one of them out there.",
    "unsupported_type": "The sender must say by Content-Type that it sends JSON, XML or a form, in UTF-8.",
    "wrong_signature": "The signature does not fit: compare the secret, and see that the sender signs exactly the bytes "
    "that it sends.",
    "wrong_time": "The clock of the sender is more than 5 minutes off, or it repeats an old request without signing it "
    "anew.",
}
_ANY = "Look at the reason beside it, and correct the sender."


def advice_on(code: str) -> str:
    """One or two sentences on a refusal's code."""
    return _BY_CODE.get(code, _ANY)
