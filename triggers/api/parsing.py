"""Reads the bodies of API calls as strictly as the inbox reads messages: depth, numbers, characters, size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from triggers.bodies import CutShort, NotADocument, TooLarge, parsed


class DocumentParser(BaseParser):
    """A JSON object."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        request = (parser_context or {})["request"]
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > limit:
            raise TooLarge("The body is larger than this platform takes.")
        raw = stream.read(limit + 1)
        if len(raw) < length:
            raise CutShort()
        value = parsed(raw)
        if not isinstance(value, dict):
            raise NotADocument("The body must be a JSON object, in braces.")
        return value
