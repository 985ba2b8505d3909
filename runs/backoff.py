"""Whether a run that did not succeed gets another automatic attempt, and when. Pure.

Only what may be different next time is worth it: connections, 408, 425, 429 and 5xx, a `Retry-After`. Never a
4xx, a mistake in the code or a limit. A run whose worker vanished, or whose write may have been done behind a 502
or a bare 503, is started again only if its author said that running it twice does no harm. (The policy's figures
are the job version's.)
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from jobs.language.contract import Failure

WORTH_RETRYING = frozenset({408, 425, 429})
LOST_ATTEMPTS = 3  # a run that loses its worker three times is the cause, not the victim


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    max_attempts: int = 1
    first_wait: timedelta = timedelta(seconds=30)
    longest_wait: timedelta = timedelta(hours=1)
    safe_to_run_again: bool = False

    def wait_after(
        self, *, state: str, attempt: int, failure: Failure | None, spread: float | None = None
    ) -> timedelta | None:
        """How long attempt `attempt + 1` waits; None: there is none.

        `spread` is the jitter's factor (0.5 to 1.5), drawn when not given.
        """
        if state == "lost":
            if not self.safe_to_run_again or attempt >= max(self.max_attempts, LOST_ATTEMPTS):
                return None
        elif (
            state not in ("failed", "exception")  # the latter: a token that could not be got just now
            or failure is None
            or attempt >= self.max_attempts
            or not is_worth_retrying(failure, safe_to_run_again=self.safe_to_run_again)
        ):
            return None
        factor = random.uniform(0.5, 1.5) if spread is None else spread  # noqa: S311  # jitter, not a secret
        doubled: timedelta = self.first_wait * (1 << min(attempt - 1, 30))
        wait = min(doubled, self.longest_wait) * factor
        asked = timedelta(seconds=failure.retry_after) if failure and failure.retry_after else timedelta()
        return max(wait, asked)


def is_worth_retrying(failure: Failure, *, safe_to_run_again: bool = False) -> bool:
    if failure.type == "UnsureError":
        return False
    if failure.status is not None and failure.status not in WORTH_RETRYING and failure.status < 500:
        return False
    # The adaptor says no where its write may have been done all the same.
    return failure.retryable or (safe_to_run_again and failure.status is not None)
