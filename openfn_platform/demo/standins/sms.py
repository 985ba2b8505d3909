"""What all senders of text messages share: numbers, alphabets, parts, and a status that moves on with time."""

from __future__ import annotations

import re

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_DOUBLE = frozenset("^{}\\[~]|€")


def segments(text: str, *, unicode: bool = False) -> int:
    """How many SMS a text is: 160 characters of the GSM alphabet or 70 of any other, fewer when several."""
    if not unicode and gsm_only(text) == text:
        length, single, several = sum(2 if c in GSM_7_DOUBLE else 1 for c in text), 160, 153
    else:
        length, single, several = len(text.encode("utf-16-be", "replace")) // 2, 70, 67
    return 1 if length <= single else -(-length // several)


def gsm_only(text: str) -> str:
    """What a phone shows of a text sent in the GSM alphabet: a question mark for what that does not have."""
    return "".join(c if c in GSM_7 or c in GSM_7_DOUBLE else "?" for c in text)


def reached(age: float, **after: float) -> str:
    """The last of these stages that something of this age has reached: `reached(2, queued=0, sent=1)`."""
    return [stage for stage, seconds in after.items() if age >= seconds][-1]
