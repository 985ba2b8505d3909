"""A person who connects a credential at the provider, without a browser."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx

from jobs.models import Credential
from jobs.oauth import Begun, connect_begin, connect_finish
from openfn_platform.projects.models import User
from tests.servers.oauth import CALLBACK


def connected(credential: Credential, *, by: User) -> None:
    fresh = Credential.objects.get(pk=credential.pk)
    begun = connect_begin(credential=fresh, by=by, callback=CALLBACK)
    connect_finish(credential=fresh, pending=begun.pending, code=code_of(begun), by=by, callback=CALLBACK)


def code_of(begun: Begun) -> str:
    """What the browser brings back."""
    return parse_qs(urlsplit(sent_back(begun.address)).query)["code"][0]


def sent_back(address: str) -> str:
    """Where the provider sends a browser that comes to this address."""
    answer = httpx.get(address)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]
