"""What of a connection's configuration nobody may read: the fields that its adaptor marks as secret.

Only these: a user name like “clinic” or an address would otherwise be masked in states and traces, where people
need them.
"""

from __future__ import annotations

from typing import Any

from jobs.adaptors import registry
from jobs.language.contract import Connection
from openfn_platform.common.http import HARMLESS_HEADERS
from openfn_platform.common.redaction import tells_a_secret


def secrets_of(connection: Connection) -> dict[str, Any]:
    """Secret fields under their names, and each text of them behind the open ones, as a Basic header joins them."""
    configuration = connection.configuration
    try:
        marked = registry.spec(connection.adaptor).secrets()
    except registry.UnknownAdaptor:
        return configuration
    hidden = {
        name: _without_harmless(value)
        for name, value in configuration.items()
        if name in marked or tells_a_secret(name)
    }
    pairs = [
        f"{open_}:{secret}"
        for name, open_ in configuration.items()
        for secret in hidden.values()
        if name not in hidden and isinstance(open_, str) and isinstance(secret, str) and secret
    ]
    return {**hidden, "pairs": pairs}


def _without_harmless(value: Any) -> Any:
    """A header that only says what is understood is no secret."""
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if str(name).lower() not in HARMLESS_HEADERS}
