"""Requests that a partner makes itself, in the three forms that partners use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from openfn_platform.demo.standins.partner import Callback


def form_callback(after: float, url: str, fields: Mapping[str, str]) -> Callback:
    """POST a form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Callback(after, url, urlencode(fields).encode(), headers)


def json_callback(
    after: float, url: str, value: object, headers: Mapping[str, str] | None = None
) -> Callback:
    """POST JSON."""
    return Callback(after, url, json_body(value), {"Content-Type": "application/json", **(headers or {})})


def query_callback(after: float, url: str, fields: Mapping[str, str] | None = None) -> Callback:
    """GET, with fields added to what the URL has."""
    if fields:
        url += ("&" if "?" in url else "?") + urlencode(fields)
    return Callback(after, url, b"", {}, method="GET")


def json_body(value: object) -> bytes:
    """The bytes that are sent, for who must sign them."""
    return json.dumps(value, ensure_ascii=False).encode()
