"""One alert per study and finding, whichever of its series say so: where a new word on it goes.

A series that was sent again under another UID, or reconstructed again, amends the alert and rings nobody;
the alert stands for as long as any series of the study carries it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge.domain.acquired import examination_began
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
    """One thing that a series said of an alert; `number` orders them, `acquired_at` is as in Alert.

    `taken` once a human answered a message of it.
    """

    number: int
    series_instance_uid: str
    status: AlertStatus
    route: Route
    demoted: str = ""
    acquired_at: datetime | None = None
    taken: bool = False

    @property
    def shown(self) -> bool:
        return self.route is not Route.SILENT


@dataclass(frozen=True, slots=True)
class Standing:
    """All that was said of an alert so far, in order.

    `stage` is as of the word `followed_through`, and `exhausted` as in Lifecycle.
    """

    words: tuple[Word, ...] = ()
    stage: Stage | None = None
    followed_through: int = 0
    exhausted: bool = False


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
    examination, for which an alert rings again although a human has taken it, or nobody has to the last step.
    """
    shown = _since_retracted(standing.words)
    opened = _latest_opening(shown)
    since = opened or next(iter(shown), None)
    carried = _carried(alert, standing, opened, examination)
    strongest = max(carried, key=_strength, default=None)
    followed = since is not None and standing.followed_through >= since.number
    stage = standing.stage if followed else None
    if alert.status is AlertStatus.RETRACTED:
        mine = next((w for w in reversed(standing.words) if _same_series(w, alert)), None)
        return _restated(_taken_back(mine, strongest, shown, since), opened, stage)
    if since is None:
        return _rings(hold, first=True)
    paged = opened is not None and opened.route is Route.PAGE
    # While it rings and this one may not, it goes on ringing as it is.
    unheard = followed and standing.exhausted and not hold
    another = (stage in _TAKEN or unheard) and _another(alert, shown, opened, examination)
    if another or stage is Stage.EXPIRED:
        return _rings(hold, first=True)
    # What was said before this page is not on it.
    told = [w for w in carried if w.number >= since.number]
    weaker = any(_WEIGHT[alert.status] <= _WEIGHT[w.status] for w in told)
    if paged or stage in _TAKEN:
        return Ruling(Route.SILENT) if weaker else _amends(shown, paged=paged)
    if hold and weaker:
        return Ruling(Route.SILENT)
    return _rings(hold, first=False)


def _carried(alert: Alert, standing: Standing, opened: Word | None, examination: timedelta) -> Sequence[Word]:
    """The latest word of every other series that carries the finding.

    Not of an examination before that of the alert, if a human has taken that one and the later one has rung
    or was held back since: it is looked at for itself, and so are its last words.
    """
    latest = {w.series_instance_uid: w for w in standing.words if not _same_series(w, alert)}
    carried = [w for w in latest.values() if w.status is not AlertStatus.RETRACTED]
    times = [w.acquired_at for w in standing.words if w.acquired_at is not None]
    began = examination_began(alert.acquired_at, times, examination)
    if opened is None or opened.acquired_at is None or began is None or opened.acquired_at < began:
        return carried
    before = [w for w in standing.words if w.number < opened.number]
    taken = {examination_began(w.acquired_at, times, examination) for w in before if w.taken} - {None, began}
    past = {w.number for w in before if examination_began(w.acquired_at, times, examination) in taken}
    return [w for w in carried if w.number not in past]


def _same_series(word: Word, alert: Alert) -> bool:
    return word.series_instance_uid == alert.series.series_instance_uid


def _strength(word: Word) -> tuple[int, int]:
    return _WEIGHT[word.status], word.number


def _since_retracted(words: Sequence[Word]) -> list[Word]:
    """What was shown since the alert was last taken back as a whole."""
    shown = [w for w in words if w.shown]
    ends = [n for n, w in enumerate(shown) if w.status is AlertStatus.RETRACTED]
    return shown[ends[-1] + 1 :] if ends else shown


def _latest_opening(shown: Sequence[Word]) -> Word | None:
    """The last that rang or was held back; what was shown since amends it."""
    return next((w for w in reversed(shown) if w.route in (Route.PAGE, Route.WORKLIST)), None)


def _taken_back(
    mine: Word | None, strongest: Word | None, shown: Sequence[Word], since: Word | None
) -> Ruling:
    """Only when no series of the study carries it any more is it taken back from those who were rung."""
    if strongest is None:
        paged = any(w.route is Route.PAGE for w in shown)
        return _amends(shown, paged=paged) if shown else Ruling(Route.SILENT)
    if mine is None:
        return Ruling(Route.SILENT)
    more = _WEIGHT[mine.status] > _WEIGHT[strongest.status]
    hidden = since is not None and strongest.number < since.number <= mine.number
    return Ruling(Route.SILENT, restates=strongest.number if more or hidden else None)


def _restated(ruling: Ruling, opened: Word | None, stage: Stage | None) -> Ruling:
    """Held back as before if it is; what a human has taken, or what ran out, is not opened by it again."""
    if ruling.restates is None or opened is None or opened.route is not Route.WORKLIST:
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
