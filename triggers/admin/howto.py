"""How to post to an inbox, as commands that work as they stand: for each thing that opens it."""

from __future__ import annotations

import shlex

from django.conf import settings

from triggers.models import Inbox
from triggers.models.inbox import AuthKind, InboxAccess

BODY = '{"hello": "world"}'
YOUR_KEY, YOUR_PASSWORD = "YOUR-KEY", "YOUR-PASSWORD"
YOUR_SECRET = "whsec_WU9VUi1TSUdOSU5HLVNFQ1JFVC0yNGJ5dGVz"  # noqa: S105  # a placeholder that can be decoded

_SIGN_IN_SHELL = """\
secret={secret}
body={body}
id=msg_$(openssl rand -hex 16)
time=$(date +%s)
key=$(printf %s "${{secret#whsec_}}" | openssl base64 -d -A | od -An -tx1 | tr -d ' \\n')
signature=$(printf '%s.%s.%s' "$id" "$time" "$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
curl {address} \\
  -H 'Content-Type: application/json' \\
  -H "webhook-id: $id" -H "webhook-timestamp: $time" -H "webhook-signature: v1,$signature" \\
  -d "$body"
"""
_SIGN_IN_PYTHON = """\
import base64, hmac, json, time, urllib.request, uuid

secret = {secret!r}
body = json.dumps({body}).encode()

message_id, sent_at = f"msg_{{uuid.uuid4().hex}}", str(int(time.time()))
key = base64.b64decode(secret.removeprefix("whsec_"))
signature = hmac.digest(key, f"{{message_id}}.{{sent_at}}.".encode() + body, "sha256")
headers = {{
    "Content-Type": "application/json",
    "webhook-id": message_id,
    "webhook-timestamp": sent_at,
    "webhook-signature": "v1," + base64.b64encode(signature).decode(),
}}
request = urllib.request.Request({address!r}, body, headers)
print(urllib.request.urlopen(request).read().decode())
"""


def address_of(inbox: Inbox) -> str:
    return f"{settings.PUBLIC_URL}/inbox/{inbox.address}"


def curl(inbox: Inbox, key: str = YOUR_KEY) -> str:
    """A message to try it out with, by an API key or by nothing."""
    shut = inbox.access != InboxAccess.NONE
    return _curl(inbox, f"-H {shlex.quote(f'x-api-key: {key}')}" if shut else "")


def curl_basic(inbox: Inbox, username: str, password: str = YOUR_PASSWORD) -> str:
    return _curl(inbox, f"-u {shlex.quote(f'{username}:{password}')}")


def sign_in_shell(inbox: Inbox, secret: str = YOUR_SECRET) -> str:
    return _SIGN_IN_SHELL.format(
        secret=shlex.quote(secret), body=shlex.quote(BODY), address=shlex.quote(address_of(inbox))
    )


def sign_in_python(inbox: Inbox, secret: str = YOUR_SECRET) -> str:
    return _SIGN_IN_PYTHON.format(secret=secret, body=BODY, address=address_of(inbox))


def examples(inbox: Inbox, kinds: set[str], username: str) -> list[tuple[str, str]]:
    """(title, commands) for each kind that opens this inbox."""
    if inbox.access == InboxAccess.NONE or not kinds:
        return [("", curl(inbox))]
    found = []
    if AuthKind.KEY in kinds:
        found.append(("With a key", curl(inbox)))
    if AuthKind.BASIC in kinds:
        found.append(("With a password", curl_basic(inbox, username)))
    if AuthKind.HMAC in kinds:
        found.append(("Signed, in a shell", sign_in_shell(inbox)))
        found.append(("Signed, in Python", sign_in_python(inbox)))
    return found


def _curl(inbox: Inbox, opened: str) -> str:
    lines = [f"curl {shlex.quote(address_of(inbox))}", opened, "-H 'Content-Type: application/json'"]
    return " \\\n  ".join([line for line in lines if line] + [f"-d {shlex.quote(BODY)}"])
