"""The proof of life as the agent sees it: how old it is, and what the latest canary blames."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.domain.canary import Part, Stage, Verdict
from edge.ports import Clock
from edge.settings_canary import CanarySettings
from edge.spool.verdict_file import latest_verdict
from edge.telemetry.events import Happening
from edge.telemetry.proof_events import CanaryObserved, ProvenPageMeasured

OVERDUE = "overdue"
# A canary that is this many periods late is silent, and silence is an alarm.
_PERIODS = 2
# How far a run came whose own page reached a pager; another one carries the time of an earlier page.
_PROVEN_BY_ITSELF = frozenset({Stage.DELIVERED, Stage.PROVEN})

# What a restart of the part may cure; a full disk or a series that failed is none of it.
_CURABLE = frozenset(
    {"not_acknowledged", "no_association", "not_decoded", "no_page", "not_confirmed", "not_published"}
)
_IN_A_ROW = 2


class Blame:
    """Whether the canary has blamed this process again and again though all its parts still turn."""

    def __init__(self, state_dir: Path, parts: Collection[Part]) -> None:
        self._state_dir, self._parts = state_dir, frozenset(parts)
        # The one from before our start was about the process before us.
        self._seen, self._count = latest_verdict(state_dir), 0

    def stuck(self, *, behind: bool = False) -> bool:
        """To be asked more often than there are verdicts: two running, since we began, name a part of it.

        Never while it is `behind`: then the canary waits its turn, and a restart begins the backlog anew.
        """
        verdict = latest_verdict(self._state_dir)
        # Another one is new whatever its time says: after a clock set back it is before that of the last.
        if verdict is not None and verdict != self._seen:
            ours = verdict.part in self._parts and verdict.reason in _CURABLE and not behind
            self._seen, self._count = verdict, self._count + 1 if ours else 0
        return self._count >= _IN_A_ROW and not behind


@dataclass(frozen=True, slots=True)
class _Aged:
    """`age_s` old when the monotonic clock said `at`: setting the wall clock changes nothing."""

    age_s: float
    at: float

    def now_s(self, clock: Clock) -> float:
        return self.age_s + clock.monotonic() - self.at


class Proof:
    """`look` reads what the canary's process has written; the rest may be read from any thread."""

    def __init__(
        self, state_dir: Path, settings: CanarySettings, clock: Clock, emit: Callable[[Happening], None]
    ) -> None:
        self._state_dir, self._settings, self._clock, self._emit = state_dir, settings, clock, emit
        self._began = clock.monotonic()
        self._latest: Verdict | None = None
        # The one from before our start was observed by the agent before us; only the wall clock dates it.
        self._seen = before = latest_verdict(state_dir)
        self._proven = None if before is None else self._since(before.proven_at)
        self._judged = (None if before is None else self._since(before.at)) or _Aged(0.0, self._began)

    def look(self) -> None:
        self._latest = verdict = latest_verdict(self._state_dir)
        if verdict is not None and verdict != self._seen:
            if verdict.stage in _PROVEN_BY_ITSELF and (
                self._seen is None or verdict.proven_at != self._seen.proven_at
            ):
                self._proven = self._fresh(verdict)
            self._seen, self._judged = verdict, _Aged(0.0, self._clock.monotonic())
            self._emit(CanaryObserved(verdict.part or "", verdict.took_s))
        age_s = self.proven_age_s
        running_s = self._clock.monotonic() - self._began
        self._emit(
            ProvenPageMeasured(running_s if age_s is None else age_s, self._settings.period_s, self.word)
        )

    @property
    def proven_age_s(self) -> float | None:
        """None when no page was ever proven, or only at a time that this clock has yet to come to."""
        return None if self._proven is None else self._proven.now_s(self._clock)

    @property
    def word(self) -> str:
        """proven, the part that the latest canary blames, overdue, or "" while there was none yet."""
        latest, period_s = self._latest, self._settings.period_s
        if not self._settings.on:
            return ""
        if self._clock.monotonic() - self._began > _PERIODS * period_s:
            late_s = self._judged.now_s(self._clock) - _PERIODS * period_s
            if latest is None or late_s > self._settings.timeout_s:
                return OVERDUE
        if latest is None:
            return ""
        return "proven" if latest.part is None else str(latest.part)

    def _since(self, at: datetime | None) -> _Aged | None:
        """By the wall clock; None for what is in the future, whose age nobody knows."""
        age_s = -1.0 if at is None else (self._clock.utc() - at).total_seconds()
        return None if age_s < 0 else _Aged(age_s, self._clock.monotonic())

    def _fresh(self, verdict: Verdict) -> _Aged:
        """A page proven since the verdict before this one, however the clock was set in between."""
        since = self._since(verdict.proven_at)
        at_most_s = self._judged.now_s(self._clock)
        return _Aged(min(since.age_s if since else 0.0, at_most_s), self._clock.monotonic())
