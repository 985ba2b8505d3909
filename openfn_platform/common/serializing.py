"""Serializers that read bodies strictly, and fields that the API shares.

DRF is generous: it takes 7 for a text, "yes" for true and 1.0 for a whole number. A program that sends such a thing
has made a mistake, and is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

LARGEST_WHOLE = 2**31 - 1


class StrictSerializer(serializers.Serializer[Any]):
    """Reads a body. A field that it does not know is refused: a misspelt one would silently do nothing."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(self.fields) or "none"
                shown = "".join(each if each.isprintable() else "�" for each in str(unknown[0])[:40])
                sentence = f"There is no field “{shown}” here; the fields are: {known}."
                raise serializers.ValidationError({shown: [sentence]})
        return super().to_internal_value(data)


def several(kind: type[StrictSerializer], *, most: int, **kwargs: Any) -> Any:
    """A list of such objects."""
    made: Any = kind
    return made(many=True, max_length=most, **kwargs)


class Text(serializers.CharField):
    """Text and nothing else, as it is: what is to be trimmed is trimmed by the verbs."""

    default_error_messages = {"invalid": "Must be a text, in quotes."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Word(serializers.ChoiceField):
    """One of a few words."""

    default_error_messages = {"invalid_choice": "Must be one of: {words}."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", words=", ".join(str(each) for each in self.choices))
        return data


class Flag(serializers.BooleanField):
    """true or false."""

    default_error_messages = {"invalid": "Must be true or false, without quotes."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Whole(serializers.IntegerField):
    """A whole number that a column holds."""

    default_error_messages = {"invalid": "Must be a whole number, without quotes."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": LARGEST_WHOLE, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class Moment(serializers.DateTimeField):
    """A time with its zone."""

    default_error_messages = {
        "invalid": "Must be a time with its zone, for example 2026-01-31T08:00:00Z.",
        "unzoned": "Must say its zone, for example 2026-01-31T08:00:00Z.",
    }

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str):
            self.fail("invalid", format="")
        try:
            found = super().to_internal_value(value)
        except (ValueError, OverflowError):  # a year that there is not once the zone is taken off
            self.fail("invalid", format="")
        return found

    def enforce_timezone(self, value: Any) -> Any:
        if value.tzinfo is None:
            self.fail("unzoned")
        return super().enforce_timezone(value)


class WallMoment(Moment):
    """A time; without a zone it is what the clock on the wall shows, wherever that is."""

    default_error_messages = {
        "invalid": "Must be a time, for example 2026-01-31T08:00:00 or, with its zone, 2026-01-31T08:00:00Z."
    }

    def enforce_timezone(self, value: Any) -> Any:
        return value if value.tzinfo is None else super().enforce_timezone(value)


class IdField(serializers.UUIDField):
    """An id in a body. DRF would take a number for one, too."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be an id, as the API gives them.", code="invalid")
        return super().to_internal_value(data)


class TextOrNull(serializers.CharField):
    """Text that is null instead of empty."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) or None
