"""Letters about a person's own account. They go through the same outbox as every mail: stored first, then sent."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from openfn_platform.common.text import one_line, storable
from openfn_platform.projects.signals import letter_written


def letter_send(*, to: str, subject: str, lines: Sequence[str], url: str = "", url_says: str = "") -> None:
    """Write a letter, in the caller's transaction. `url` opens a page with a key: it is wiped once the mail is out."""
    paragraphs = [storable(line) for line in lines]
    if url:
        paragraphs.append(f"{url_says or 'Open this page'}:\n{url}")
    paragraphs.append(f"This mail was written by {settings.PUBLIC_URL}. Nobody reads answers to it.")
    letter_written.send(
        sender=__name__, to=to, subject=one_line(subject, 150), text="\n\n".join(paragraphs) + "\n"
    )
