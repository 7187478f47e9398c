"""Which finished series give up their pixels, and why the others keep them; their outcomes and trail stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Verdict(StrEnum):
    """AGE, SPACE and TEST remove; the others say, in this order of weight, why the pixels stay."""

    UNFINISHED = "unfinished"
    ALERT_OPEN = "alert_open"
    RECENT = "recent"
    AGE = "age"
    TEST = "test"
    SPACE = "space"
    CLOCK_UNSURE = "clock_unsure"
    ROOM_LEFT = "room_left"

    @property
    def removes(self) -> bool:
        return self in {Verdict.AGE, Verdict.SPACE, Verdict.TEST}


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """`settled_at` is when its last outcome was said; `finished` that nothing arrived since."""

    series_instance_uid: str
    series_token: str
    settled_at: datetime
    finished: bool
    alert_open: bool
    size_bytes: int
    test: bool = False


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """`longest` at most; `shortest` whatever the disk says; below `target_free_bytes` the oldest go early."""

    longest: timedelta
    shortest: timedelta
    target_free_bytes: int


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Since when, in monotonic seconds, this process has known each outcome; `early` are of its first look.

    An outcome that is not early was said while we watched: then its age is known whatever becomes of the
    wall clock. An early one is at least as old as we have known it.
    """

    since: Mapping[tuple[str, datetime], float] = field(default_factory=dict[tuple[str, datetime], float])
    early: frozenset[tuple[str, datetime]] | None = None

    def after(self, stored: Sequence[StoredSeries], monotonic_s: float) -> Witnessed:
        """The next look; what is no longer stored is forgotten."""
        outcomes = frozenset((s.series_instance_uid, s.settled_at) for s in stored)
        early = outcomes if self.early is None else self.early & outcomes
        return Witnessed({o: self.since.get(o, monotonic_s) for o in outcomes}, early)

    def ages(self, stored: Sequence[StoredSeries], now: datetime, monotonic_s: float) -> dict[str, timedelta]:
        """By Series Instance UID."""
        found: dict[str, timedelta] = {}
        for series in stored:
            outcome = (series.series_instance_uid, series.settled_at)
            known = timedelta(seconds=monotonic_s - self.since[outcome])
            early = self.early is None or outcome in self.early
            found[series.series_instance_uid] = max(known, now - series.settled_at) if early else known
        return found


def judge(
    stored: Sequence[StoredSeries],
    rules: RetentionRules,
    ages: Mapping[str, timedelta],
    free_bytes: int,
    *,
    sure: bool = True,
) -> list[tuple[StoredSeries, Verdict]]:
    """A verdict on every series, oldest outcome first; what age removes counts for the space as well.

    `ages` are by Series Instance UID. While the clock is not `sure` nothing goes by age.
    """
    verdicts: list[tuple[StoredSeries, Verdict]] = []
    ordered = sorted(stored, key=lambda series: series.settled_at)
    bounds = {s.series_instance_uid: _bound(s, rules, ages[s.series_instance_uid]) for s in stored}
    old = {uid for uid, bound in bounds.items() if bound is None and ages[uid] > rules.longest}
    by_age = [s for s in ordered if sure and not s.test and s.series_instance_uid in old]
    expected = free_bytes + sum(series.size_bytes for series in by_age)
    for series in ordered:
        if series.test and series.finished:
            verdicts.append((series, Verdict.TEST))
            continue
        bound = bounds[series.series_instance_uid]
        if bound is not None:
            verdicts.append((series, bound))
        elif sure and series.series_instance_uid in old:
            verdicts.append((series, Verdict.AGE))
        elif expected < rules.target_free_bytes:
            expected += series.size_bytes
            verdicts.append((series, Verdict.SPACE))
        else:
            unsure = series.series_instance_uid in old
            verdicts.append((series, Verdict.CLOCK_UNSURE if unsure else Verdict.ROOM_LEFT))
    return verdicts


def _bound(series: StoredSeries, rules: RetentionRules, age: timedelta) -> Verdict | None:
    if not series.finished:
        return Verdict.UNFINISHED
    if series.alert_open:
        return Verdict.ALERT_OPEN
    return Verdict.RECENT if age < rules.shortest else None
