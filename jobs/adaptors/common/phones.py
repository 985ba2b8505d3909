"""`phones`: telephone numbers as people write them, in the one form that providers take."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from jobs.adaptors.errors import ValidationError


def normalise(number: str | int, region: str | None = None) -> str:
    """The number as `+22890112233` (E.164). `region` is the country of numbers without one, as `"TG"`."""
    written = str(number).strip()
    if region is not None and region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValidationError(f"'{region}' is no country code of two letters, as TG or KE.", sent=False)
    try:
        parsed = phonenumbers.parse(written, region.upper() if region else None)
    except NumberParseException as error:
        raise ValidationError(_why(error, region), sent=False) from None
    if not phonenumbers.is_possible_number(parsed):
        raise ValidationError("The telephone number has too few or too many digits.", sent=False)
    if not phonenumbers.is_valid_number(parsed):
        raise ValidationError("There is no such telephone number in that country.", sent=False)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def is_valid(number: str | int, region: str | None = None) -> bool:
    """Whether `normalise` would take it."""
    try:
        normalise(number, region)
    except ValidationError:
        return False
    return True


def _why(error: NumberParseException, region: str | None) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and region is None:
        return 'The telephone number has no country code; say which country is meant, as in phones.normalise(n, "TG").'
    if error.error_type == NumberParseException.NOT_A_NUMBER:
        return "That is no telephone number."
    return "The telephone number cannot be read."
