"""The initial state that a message makes: `{data: body, request: {method, path, query, headers}}`.

Spliced from the JSON text, so that numbers, escapes and order stay exactly as the partner sent them.
"""

from __future__ import annotations

import json
from typing import Any

BOM = b"\xef\xbb\xbf"


def initial_state(
    *, text: bytes, method: str, path: str, query: dict[str, Any], headers: dict[str, str]
) -> bytes:
    """JSON text. `text` is a body that was parsed as JSON before; headers come without secrets."""
    request = {"method": method, "path": path, "query": query, "headers": headers}
    body = text.removeprefix(BOM).strip()
    return b"".join(
        (b'{"data":', body, b',"request":', json.dumps(request, separators=(",", ":")).encode(), b"}")
    )
