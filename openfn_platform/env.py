"""Typed readers of the environment. Nonsense is refused with the variable's name, never guessed around.

Every reader also honours `NAME_FILE`: a path whose content is the value, as containers hand over secrets.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit


class BadSetting(Exception):
    """A setting in the environment cannot be used."""


def text(name: str, default: str = "") -> str:
    """The value of `name`, or the content of the file that `name_FILE` names."""
    if name in os.environ:
        return os.environ[name]
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE names a file that cannot be read: {error.strerror}") from None
    return default


def flag(name: str, default: bool = False) -> bool:
    value = text(name).strip().lower()
    if value == "":
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name} must be one of 1, 0, true, false, yes, no, on, off")


def integer(name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
    value = text(name).strip()
    if value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        raise BadSetting(f"{name} must be a whole number") from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise BadSetting(f"{name} must lie between {least} and {most}")
    return number


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A list separated by commas or blanks."""
    value = text(name)
    return value.replace(",", " ").split() if value else list(default)


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    value = text(name, default).strip().lower() or default
    if value not in options:
        raise BadSetting(f"{name} must be one of {', '.join(options)}")
    return value


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks, like `10.0.0.0/8 ::1`."""
    try:
        return [ipaddress.ip_network(word) for word in words(name)]
    except ValueError:
        raise BadSetting(f"{name} must be a list of addresses or networks, like 10.0.0.0/8") from None


def address(name: str) -> str:
    """`https://host/path` without the slash at its end; plain http only for this very machine."""
    value = text(name).strip().rstrip("/")
    parts = urlsplit(value)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if value and (not parts.hostname or parts.scheme not in ({"http", "https"} if here else {"https"})):
        raise BadSetting(f"{name} must be an address that begins with https://")
    return value


def postgresql(url: str) -> dict[str, object]:
    """`postgresql://user:password@host:port/name?host=/socket/folder` as a Django database setting."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise BadSetting("DATABASE_URL must begin with postgresql://; PostgreSQL is the only database")
    query = dict(parse_qsl(parts.query))
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise BadSetting("DATABASE_URL must name a database")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or (parts.hostname or ""),
        "PORT": str(query.pop("port", "") or parts.port or ""),
        "OPTIONS": query,
    }
