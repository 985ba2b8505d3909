"""Of runs that somebody chose: how many a deed will be done to, and why not to the others. One query."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, CharField, Count, Exists, OuterRef, Q, QuerySet, Value, When

from jobs.models import JobState
from openfn_platform.common.text import plural
from runs.cancelling import OPEN_STATES
from runs.models import FAILED_STATES, FINAL_STATES, Deed, Run, RunMode

WILL = {
    Deed.RETRY: "retried",
    Deed.CANCEL: "cancelled",
    Deed.ABORT: "aborted",
    Deed.DISMISS: "dismissed",
}
_ENDED = "ended already"
_TESTED = Q(mode=RunMode.TRIAL) | Q(trial_code__isnull=False)
_NOT_LIVE = ("of a job that has no live version", Q(job__live_version=None))
_LOOKED_AFTER = Q(handled=True) | Q(dismissed_at__isnull=False)
# In the order in which the deed itself would refuse: a run that is left out counts once.
_WHY_NOT: dict[Deed, tuple[tuple[str, Q], ...]] = {
    Deed.RETRY: (
        ("not ended yet", ~Q(state__in=FINAL_STATES)),
        ("did not fail", ~Q(state__in=FAILED_STATES)),
        ("handled or dismissed already", _LOOKED_AFTER),
        ("retried already", Q(Exists(Run.objects.filter(retry_of=OuterRef("pk"))))),
        ("of a test, which the editor repeats", _TESTED),
        _NOT_LIVE,
    ),
    Deed.CANCEL: ((_ENDED, ~Q(state__in=OPEN_STATES)),),
    Deed.ABORT: ((_ENDED, ~Q(state__in=OPEN_STATES)),),
    Deed.DISMISS: (
        ("did not fail", ~Q(state__in=FAILED_STATES)),
        ("dismissed already", Q(dismissed_at__isnull=False)),
    ),
}
_DRY = ("dry run", ~Q(mode=RunMode.LIVE))
_JOB_OFF = ("of a job that is off", Q(job__state=JobState.OFF))


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How many of the chosen it will be done to; the others by the reason why not."""

    deed: Deed
    will: int
    left_out: tuple[tuple[str, int], ...] = ()

    @property
    def sentence(self) -> str:
        """“9 runs will be retried. 3 will not: 2 retried already, 1 not ended yet.”"""
        done = f"{plural(self.will, 'run') if self.will else 'None of them'} will be {WILL[self.deed]}."
        if not self.left_out:
            return done
        count = sum(each for _, each in self.left_out)
        reasons = ", ".join(f"{each:,} {why}" for why, each in self.left_out)
        return f"{done} {count:,} will not: {reasons}."


def outlook(rows: QuerySet[Run], *, deed: Deed, by_workers: bool = False, by_filter: bool = False) -> Outlook:
    """`by_workers`: many at once, which pass no job that is off. `by_filter`: not named one by one."""
    reasons = _WHY_NOT[deed]
    if deed == Deed.RETRY and by_workers:
        reasons += (_DRY, _JOB_OFF) if by_filter else (_JOB_OFF,)
    cases = [When(rule, then=Value(why)) for why, rule in reasons]
    why = Case(*cases, default=Value(""), output_field=CharField())
    chosen = Run.objects.filter(pk__in=rows.order_by().values("pk")).annotate(why=why)
    counts = dict(chosen.values("why").annotate(count=Count("pk")).order_by().values_list("why", "count"))
    will = counts.pop("", 0)
    return Outlook(
        deed=deed, will=will, left_out=tuple((each, counts[each]) for each, _ in reasons if each in counts)
    )
