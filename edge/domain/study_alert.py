"""One alert per study and finding, whichever of its series say so: where a new word on it goes.

A series that was sent again under another UID, or reconstructed again, amends the alert and rings nobody;
the alert stands for as long as any series of the study carries it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge.domain.alert import Alert, AlertStatus, Route
from edge.domain.lifecycle import Stage

# What a complete series says counts for more than what one that never completed says.
_WEIGHT = {
    AlertStatus.RETRACTED: 0,
    AlertStatus.PRELIMINARY: 1,
    AlertStatus.INCOMPLETE: 2,
    AlertStatus.CONFIRMED: 3,
}
_TAKEN = (Stage.ACKNOWLEDGED, Stage.CLOSED)


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that a series said of an alert; `number` orders them, `acquired_at` is as in Alert."""

    number: int
    series_instance_uid: str
    status: AlertStatus
    route: Route
    demoted: str = ""
    acquired_at: datetime | None = None

    @property
    def shown(self) -> bool:
        return self.route is not Route.SILENT


@dataclass(frozen=True, slots=True)
class Standing:
    """All that was said of an alert so far, in order; `stage` is as of the word `followed_through`."""

    words: tuple[Word, ...] = ()
    stage: Stage | None = None
    followed_through: int = 0


@dataclass(frozen=True, slots=True)
class Ruling:
    """Where a word goes; `first` when no human was shown this finding before.

    `restates` is the word of another series that counts from now on, because the stronger one was taken back;
    it is said by `restated_route`, and what is held back stays so, for the reason `restated_demoted`.
    """

    route: Route
    demoted: str = ""
    first: bool = False
    restates: int | None = None
    restated_route: Route = Route.UPDATE
    restated_demoted: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert as it was routed; see Ruling for `first`."""

    alert: Alert
    first: bool


def rule(alert: Alert, standing: Standing, hold: str, examination: timedelta) -> Ruling:
    """`hold` says in one label why nobody may be rung now, "" when somebody may.

    Images of the same study acquired later than those that rang by more than `examination` are another
    examination, for which an alert rings again although a human has taken it.
    """
    series = alert.series.series_instance_uid
    latest = {w.series_instance_uid: w for w in standing.words}
    mine = latest.pop(series, None)
    carrying = [w for w in latest.values() if w.status is not AlertStatus.RETRACTED]
    strongest = max(carrying, key=lambda w: (_WEIGHT[w.status], w.number), default=None)
    shown = _since_retracted(standing.words)
    opened = _latest_opening(shown)
    since = opened or next(iter(shown), None)
    stage = standing.stage if since is not None and standing.followed_through >= since.number else None
    if alert.status is AlertStatus.RETRACTED:
        ruling = _taken_back(mine, strongest, shown, paged=any(w.route is Route.PAGE for w in shown))
        return ruling if ruling.restates is None else _restated(ruling, opened, stage)
    if not shown:
        return _rings(hold, first=True)
    paged = opened is not None and opened.route is Route.PAGE
    anew = stage is Stage.EXPIRED or (stage in _TAKEN and _another(alert, shown, opened, examination))
    weaker = strongest is not None and _WEIGHT[alert.status] <= _WEIGHT[strongest.status]
    if anew:
        return _rings(hold, first=True)
    if paged or stage in _TAKEN:
        return Ruling(Route.SILENT) if weaker else _amends(shown, paged=paged)
    if hold and weaker:
        return Ruling(Route.SILENT)
    return _rings(hold, first=False)


def _since_retracted(words: Sequence[Word]) -> list[Word]:
    """What was shown since the alert was last taken back as a whole."""
    shown = [w for w in words if w.shown]
    ends = [n for n, w in enumerate(shown) if w.status is AlertStatus.RETRACTED]
    return shown[ends[-1] + 1 :] if ends else shown


def _latest_opening(shown: Sequence[Word]) -> Word | None:
    """The last that rang or was held back; what was shown since amends it."""
    return next((w for w in reversed(shown) if w.route in (Route.PAGE, Route.WORKLIST)), None)


def _taken_back(mine: Word | None, strongest: Word | None, shown: Sequence[Word], *, paged: bool) -> Ruling:
    """Only when no series of the study carries it any more is it taken back from those who were rung."""
    if strongest is None:
        return _amends(shown, paged=paged) if shown else Ruling(Route.SILENT)
    said = mine is not None and _WEIGHT[mine.status] > _WEIGHT[strongest.status]
    return Ruling(Route.SILENT, restates=strongest.number if said else None)


def _restated(ruling: Ruling, opened: Word | None, stage: Stage | None) -> Ruling:
    """Held back as before if it is; what a human has taken, or what ran out, is not opened by it again."""
    if opened is None or opened.route is not Route.WORKLIST:
        return ruling
    route = Route.UPDATE if stage in (*_TAKEN, Stage.EXPIRED) else Route.WORKLIST
    return replace(ruling, restated_route=route, restated_demoted=opened.demoted)


def _amends(shown: Sequence[Word], *, paged: bool) -> Ruling:
    """To where the finding was shown."""
    return Ruling(Route.UPDATE, "" if paged else shown[-1].demoted)


def _rings(hold: str, *, first: bool) -> Ruling:
    return Ruling(Route.WORKLIST if hold else Route.PAGE, hold, first)


def _another(alert: Alert, shown: Sequence[Word], opened: Word | None, examination: timedelta) -> bool:
    """Whether the images are of a later examination; without times they count as the same."""
    since = opened.number if opened is not None else 0
    known = [w.acquired_at for w in shown if w.number >= since and w.acquired_at is not None]
    return alert.acquired_at is not None and bool(known) and alert.acquired_at - min(known) > examination
