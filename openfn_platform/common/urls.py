"""Putting web addresses together from a base, a path and parameters, without ever leaving the base's origin. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from urllib.parse import parse_qsl, quote, unquote

import httpx

from openfn_platform.common.errors import PlatformError
from openfn_platform.common.redaction import Redactor, redact_query

DEFAULT_PORTS = {"http": 80, "https": 443}
READABLE = ":,;()*@/!'"  # legal in a query and common in filters: percent signs would only hide them
_ABSOLUTE = re.compile(r"\s*([a-z][a-z0-9+.-]*://|(https?|file|ftp|data|javascript):)", re.IGNORECASE)


class UrlRefused(PlatformError):
    """That address cannot be used."""

    code = "url_refused"
    status = 422


def join_url(base: str, path: str) -> str:
    """The address of `path` under `base`: the base's own path is kept, double slashes become one.

    An absolute address is taken as it is when it has the origin of the base, and refused otherwise: what
    the base's credential opens must not be shown to anybody else.
    """
    if _is_absolute(path):
        target = _parsed(path)
        if base and origin_of(target) != origin_of(_parsed(base)):
            raise UrlRefused(
                f"{_named(target)} is not part of {_named(_parsed(base))}; "
                "use a path, or a connection that belongs to that system."
            )
        return str(target)
    if not base:
        raise UrlRefused(
            "A path alone is not enough: give the whole address, or a base address in the credential."
        )
    root = _parsed(base)
    bare, question, query = path.partition("#")[0].partition("?")
    if any(unquote(segment) in (".", "..") for segment in re.split(r"[/\\]", bare)):
        raise UrlRefused("A path must not step up with '..'; was a value put into it unchecked?")
    joined = f"{root.raw_path.decode('ascii').partition('?')[0]}/{bare}" if bare else root.path
    start = str(root.copy_with(raw_path=b"/")).rstrip("/")
    return str(_parsed(start + re.sub(r"/{2,}", "/", joined) + question + query))


def add_params(url: str, params: Mapping[str, object] | None) -> str:
    """The address with parameters added. Lists repeat the name, None is left out, what the address has wins."""
    if not params:
        return url
    present = {
        name for name, _value in parse_qsl(httpx.URL(url).query.decode("ascii"), keep_blank_values=True)
    }
    pairs = [
        f"{quote(name, safe=READABLE)}={quote(_text(each), safe=READABLE, errors='replace')}"
        for name, value in params.items()
        if name not in present
        for each in _each(value)
    ]
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port, with the scheme's usual port filled in."""
    return (url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme))


def masked_url(url: str, *, secret_params: Iterable[str] = (), redact: Redactor | None = None) -> str:
    """The address as people may see it."""
    bare, question, query = url.partition("?")
    shown = bare + question + redact_query(query, also=secret_params)
    return redact(shown) if redact is not None else shown


def _is_absolute(path: str) -> bool:
    return _ABSOLUTE.match(path) is not None


def _parsed(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, TypeError, ValueError):
        raise UrlRefused("An address contains characters that no web address may have.") from None
    if url.scheme not in DEFAULT_PORTS or not url.host:
        raise UrlRefused("An address must begin with https:// or http:// and name a host.")
    if url.userinfo:
        raise UrlRefused("Name and password do not belong in an address; put them in fields of their own.")
    return url.copy_with(fragment=None)


def _named(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _each(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return [each for each in value if each is not None]
    return [value]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):  # a filter as Kobo and OpenHIM take it; Python's own spelling serves nobody
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
