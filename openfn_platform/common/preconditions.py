"""ETags: what an answer said, as a fingerprint. Nothing is sent twice, and nobody's change is lost under another's.

An ETag has two parts, `"decided-whole"`: the first over what people and programs decide, the second over all that
is shown. `If-None-Match` compares both. `If-Match` compares the first only: a schedule that fired meanwhile, or a
test that ran, is no change that anybody could overwrite.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from django.utils.http import parse_etags
from rest_framework.utils.encoders import JSONEncoder

from openfn_platform.common.errors import PlatformError

PART = "part"
ANY = "*"


class PreconditionMissing(PlatformError):
    """Say what you change: send the ETag that you read as If-Match, or `If-Match: *` for whatever it is now."""

    code = "precondition_missing"
    status = 428


class ChangedMeanwhile(PlatformError):
    """Somebody changed this since you read it. Read it again, then decide; nothing was changed now."""

    code = "changed_meanwhile"
    status = 412


class BadPrecondition(PlatformError):
    """If-Match must hold an ETag as it was given, in its quotes."""

    code = "bad_precondition"
    status = 400


def tag_of(shown: Mapping[str, Any], *, volatile: Collection[str] = ()) -> str:
    """The ETag of an answer. What is `volatile` changes by itself."""
    decided = {name: value for name, value in shown.items() if name not in volatile}
    return f'"{_digest(decided)}-{_digest(shown)}"'


def tag_of_part(shown: Mapping[str, Any]) -> str:
    """The ETag of an answer with fewer fields: good for reading again, not for writing."""
    return f'"{PART}-{_digest(shown)}"'


def precondition_check(given: str, tag: str) -> None:
    """Raise unless the caller's picture, as If-Match tells it, is that of `tag`."""
    # Not weakly: an answer that was compressed on its way has a W/ before the very same ETag.
    offered = [each.removeprefix("W/") for each in parse_etags(given)]
    if not offered:
        raise BadPrecondition()
    if ANY in offered or any(_decided(each) == _decided(tag) for each in offered):
        return
    if all(_decided(each) == PART for each in offered):
        raise ChangedMeanwhile("This ETag is of a part; read it without `fields`, then send that ETag.")
    raise ChangedMeanwhile()


def is_known(given: str | None, tag: str) -> bool:
    """Whether the caller has this very answer, as If-None-Match tells."""
    known = [each.removeprefix("W/") for each in parse_etags(given or "")]
    return ANY in known or tag in known


def _decided(tag: str) -> str:
    return tag.strip('"').partition("-")[0]


def _digest(shown: Mapping[str, Any]) -> str:
    text = json.dumps(shown, cls=JSONEncoder, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
