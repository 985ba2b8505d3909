"""What comes in: JSON checked field by field, all that is wrong told at once, as Django REST framework does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openfn_platform.demo.standins.sms import E164
from openfn_platform.demo.standins.wire import Answer, Request

MOST_ITEMS = 100
LONGEST_TEXT = 10_000
SCHEMES = ("tel", "mailto", "telegram", "whatsapp", "facebook", "twitter", "ext", "viber", "line", "wechat")
NO_NUMBER = "Invalid URN: {}. Ensure phone numbers contain country codes."

Check = Callable[[Any], Any]


class Refused(Exception):
    """A request is refused, with this body."""

    def __init__(self, status: int, body: object, **headers: str) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers

    def answer(self) -> Answer:
        """The error as JSON."""
        return Answer.json(self.status, self.body, Content_Type="application/json", **self.headers)


class Bad(Exception):
    """One field is wrong; the detail goes under its name."""

    def __init__(self, detail: object) -> None:
        super().__init__(str(detail))
        self.detail = [detail] if isinstance(detail, str) else detail


def detail(status: int, text: str, **headers: str) -> Refused:
    """A refusal in one sentence."""
    return Refused(status, {"detail": text}, **headers)


def overall(text: str) -> Refused:
    """What no single field is to blame for."""
    return Refused(400, {"non_field_errors": [text]})


def body_from(request: Request) -> dict[str, Any]:
    """The body as an object."""
    if request.content_type != "application/json":
        kind = request.headers.get("content-type", "")
        raise detail(415, f'Unsupported media type "{kind}" in request.')
    try:
        values = request.json()
    except ValueError as error:
        raise detail(400, f"JSON parse error - {error}") from None
    if not isinstance(values, dict):
        raise overall("Request body should be a single JSON object")
    return values


def cleaned(values: Mapping[str, Any], checks: Mapping[str, Check], *required: str) -> dict[str, Any]:
    """The known fields as their checks give them; refuses with everything that is wrong."""
    problems: dict[str, object] = {
        name: ["This field is required."] for name in required if name not in values
    }
    good: dict[str, Any] = {}
    for name, check in checks.items():
        if name in values:
            try:
                good[name] = check(values[name])
            except Bad as bad:
                problems[name] = bad.detail
    if problems:
        raise Refused(400, problems)
    return good


def text_of(longest: int, *, null: bool = False) -> Check:
    """A check for a text."""

    def check(value: Any) -> Any:
        if value is None and null:
            return None
        if not isinstance(value, str):
            raise Bad("This field may not be null." if value is None else "Not a valid string.")
        if not value and not null:
            raise Bad("This field may not be blank.")
        if len(value) > longest:
            raise Bad(f"Ensure this field has no more than {longest} characters.")
        return value

    return check


def translations_of(value: Any) -> Any:
    """A text, or texts by language."""
    if isinstance(value, dict):
        if not value:
            raise Bad("Must include at least one translation.")
        for language, text in value.items():
            if len(language) != 3:
                raise Bad(f"Language code {language} is not valid.")
            text_of(LONGEST_TEXT)(text)
        return value
    if not isinstance(value, str):
        raise Bad("Value must be a string or dict of strings.")
    return text_of(LONGEST_TEXT)(value)


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Bad("Must be a valid JSON object")
    return value


def flag_of(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Bad("Must be a valid boolean.")
    return value


def items_of(check: Check) -> Check:
    """A check for a list of at most a hundred items, the first wrong one told."""

    def checked(value: Any) -> list[Any]:
        return [check(item) for item in list_of(value)]

    return checked


def list_of(value: Any) -> list[Any]:
    """A list of at most a hundred items."""
    if not isinstance(value, list):
        raise Bad(f'Expected a list of items but got type "{type(value).__name__}".')
    if len(value) > MOST_ITEMS:
        raise Bad(f"This field can only contain up to {MOST_ITEMS} items.")
    return value


def urn_of(value: object) -> str:
    """A URN in its one form; a phone number must have its country code."""
    scheme, colon, path = str(value).strip().partition(":")
    if scheme == "tel":
        path = re.sub(r"[\s().-]", "", path)
    if not colon or not path or scheme not in SCHEMES or (scheme == "tel" and not E164.fullmatch(path)):
        raise Bad(NO_NUMBER.format(value))
    return f"{scheme}:{path}"


def urn_problems(found: Mapping[int, str], count: int, style: str) -> Bad:
    """What is wrong with which URN of a list; servers of different age write it differently."""
    if style == "indexed":
        return Bad({str(at): [text] for at, text in found.items()})
    if style == "nested":
        return Bad([[found[at]] if at in found else [] for at in range(count)])
    return Bad(list(found.values()))


def now() -> str:
    """This moment as the API writes it."""
    return when(datetime.now(UTC).timestamp())


def when(moment: float) -> str:
    """A moment as the API writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
