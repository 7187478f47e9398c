"""Which finished series give up their pixels, and why the others keep them; their outcomes and trail stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def judge(
    stored: Sequence[StoredSeries], rules: RetentionRules, now: datetime, free_bytes: int
) -> list[tuple[StoredSeries, Verdict]]:
    """A verdict on every series, oldest outcome first; what age removes counts for the space as well."""
    verdicts: list[tuple[StoredSeries, Verdict]] = []
    ordered = sorted(stored, key=lambda series: series.settled_at)
    by_age = [
        s
        for s in ordered
        if not s.test and _bound(s, rules, now) is None and now - s.settled_at > rules.longest
    ]
    expected = free_bytes + sum(series.size_bytes for series in by_age)
    for series in ordered:
        if series.test and series.finished:
            verdicts.append((series, Verdict.TEST))
            continue
        bound = _bound(series, rules, now)
        if bound is not None:
            verdicts.append((series, bound))
        elif now - series.settled_at > rules.longest:
            verdicts.append((series, Verdict.AGE))
        elif expected < rules.target_free_bytes:
            expected += series.size_bytes
            verdicts.append((series, Verdict.SPACE))
        else:
            verdicts.append((series, Verdict.ROOM_LEFT))
    return verdicts


def _bound(series: StoredSeries, rules: RetentionRules, now: datetime) -> Verdict | None:
    if not series.finished:
        return Verdict.UNFINISHED
    if series.alert_open:
        return Verdict.ALERT_OPEN
    return Verdict.RECENT if now - series.settled_at < rules.shortest else None
