"""Serializers that read bodies strictly, and fields that the API shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

NON_FIELD = "non_field_errors"


class StrictSerializer(serializers.Serializer[Any]):
    """Reads a body. A field that it does not know is refused: a misspelt one would silently do nothing."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                known = ", ".join(self.fields) or "none"
                sentence = f"There is no field “{str(unknown[0])[:40]}” here; the fields are: {known}."
                raise serializers.ValidationError({NON_FIELD: [sentence]})
        return super().to_internal_value(data)


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
