"""Badges of credentials: whether they work, and until when they are good."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.utils.safestring import SafeString

from jobs.expiring import SOON, days_left, expiry_words, last_day
from jobs.models import Credential, CredentialBody
from openfn_platform.projects.badges import EMPTY, Tone, badge


def expiry_badge(credential: Credential) -> SafeString | str:
    """For lists and pages: the day, in colour once it is near."""
    days, day = days_left(credential), last_day(credential)
    if days is None or day is None:
        return EMPTY
    tone: Tone = "bad" if days < 0 else "warn" if days <= SOON else "plain"
    written = f"{day.day} {day:%b %Y}"
    said = expiry_words(days).capitalize() if days <= SOON else f"until {written}"
    return badge(said, tone, f"Good until {written}, as its page says")


def state_badge(body: CredentialBody | None) -> SafeString | str:
    """What the last test of these values said."""
    if body is None:
        return badge("no values", "warn")
    try:
        if body.token.refused_at is not None:
            return badge("connect again", "bad", body.token.refused_sentence)
    except ObjectDoesNotExist:
        pass
    if body.test_ok is None:
        return badge("not tested", "plain", "Nobody has tried the connection with these values.")
    if body.test_ok:
        return badge("works", "good", body.test_sentence)
    return badge("test failed", "bad", body.test_sentence)
