"""A secret that would be noticed anywhere: the forms in which programs write it, and a search through everything kept."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import zstandard
from django.db import connection

ZSTD = b"\x28\xb5\x2f\xfd"


def forms(secret: str, user: str) -> dict[str, bytes]:
    """Name of the form -> the bytes that would give the secret away."""
    raw = secret.encode()
    found = {
        "beginning": secret[:8],
        "plain": secret,
        "JSON": json.dumps(secret)[1:-1],
        "JSON, unescaped letters": json.dumps(secret, ensure_ascii=False)[1:-1],
        "JSON in JSON": json.dumps(json.dumps(secret))[3:-3],
        "URL": quote(secret),
        "URL, slashes too": quote(secret, safe=""),
        "form": quote_plus(secret),
        "XML": escape(secret),
        "XML attribute": quoteattr(secret)[1:-1],
        "HTML": html.escape(secret),
        "Python": repr(secret)[1:-1],
        "Basic": base64.b64encode(f"{user}:{secret}".encode()).decode(),
    }
    for name, encode in (("base64", base64.b64encode), ("URL-safe base64", base64.urlsafe_b64encode)):
        for before in range(3):
            # What stands for the secret alone, wherever in a longer text it begins.
            whole = encode(bytes(before) + raw).decode()
            found[f"{name}, offset {before}"] = whole[4 * bool(before) : 4 * ((before + len(raw)) // 3)]
    return {name: text.encode() for name, text in found.items()}


def everything_stored() -> Iterator[tuple[str, bytes]]:
    """(table.column, content) of every row of the database, compressed states unpacked."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column.name for column in cursor.description or ()]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    if value is not None:
                        yield f"{table}.{column}", as_bytes(value)


def as_bytes(value: object) -> bytes:
    if isinstance(value, (bytes, memoryview)):
        raw = bytes(value)
        return b"".join(zstandard.ZstdDecompressor().read_to_iter(raw)) if raw.startswith(ZSTD) else raw
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    return str(value).encode("utf-8", "surrogatepass")


def told(places: Iterator[tuple[str, bytes]], canaries: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    """Where which canary was found in which form."""
    return sorted(
        {
            f"{place}: {canary} as {form}"
            for place, content in places
            for canary, spelled in canaries.items()
            for form, needle in spelled.items()
            if needle in content
        }
    )
