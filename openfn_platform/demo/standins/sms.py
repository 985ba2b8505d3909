"""How operators count the parts of a text message."""

from __future__ import annotations

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_DOUBLE = frozenset("^{}\\[~]|€")


def segments(text: str) -> int:
    """How many SMS a text is: 160 characters of the GSM alphabet or 70 of any other, fewer when several."""
    if all(c in GSM_7 or c in GSM_7_DOUBLE for c in text):
        length, single, several = sum(2 if c in GSM_7_DOUBLE else 1 for c in text), 160, 153
    else:
        length, single, several = len(text.encode("utf-16-be", "replace")) // 2, 70, 67
    return 1 if length <= single else -(-length // several)
