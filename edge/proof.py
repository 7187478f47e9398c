"""The proof of life as the agent sees it: how old it is, and what the latest canary blames."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from edge.domain.canary import Part, Verdict
from edge.ports import Clock
from edge.settings_canary import CanarySettings
from edge.spool.verdict_file import latest_verdict
from edge.telemetry.events import Happening
from edge.telemetry.proof_events import CanaryObserved, ProvenPageMeasured

OVERDUE = "overdue"
# A canary that is this many periods late is silent, and silence is an alarm.
_PERIODS = 2


# What a restart of the part may cure; a full disk or a series that failed is none of it.
_CURABLE = frozenset(
    {"not_acknowledged", "no_association", "not_decoded", "no_page", "not_confirmed", "not_published"}
)
_IN_A_ROW = 2


class Blame:
    """Whether the canary has blamed this process again and again though all its parts still turn."""

    def __init__(self, state_dir: Path, parts: Collection[Part], clock: Clock) -> None:
        self._state_dir, self._parts = state_dir, frozenset(parts)
        self._latest, self._count = clock.utc(), 0

    def stuck(self, *, behind: bool = False) -> bool:
        """To be asked more often than there are verdicts: two running, since we began, name a part of it.

        Never while it is `behind`: then the canary waits its turn, and a restart begins the backlog anew.
        """
        verdict = latest_verdict(self._state_dir)
        if verdict is not None and verdict.at > self._latest:
            ours = verdict.part in self._parts and verdict.reason in _CURABLE and not behind
            self._latest, self._count = verdict.at, self._count + 1 if ours else 0
        return self._count >= _IN_A_ROW and not behind


class Proof:
    """`look` reads what the canary's process has written; the rest may be read from any thread."""

    def __init__(
        self, state_dir: Path, settings: CanarySettings, clock: Clock, emit: Callable[[Happening], None]
    ) -> None:
        self._state_dir, self._settings, self._clock, self._emit = state_dir, settings, clock, emit
        self._began_utc, self._began = clock.utc(), clock.monotonic()
        self._latest: Verdict | None = None
        self._observed_at: datetime | None = None

    def look(self) -> None:
        verdict = latest_verdict(self._state_dir)
        # The one from before our start was observed by the agent before us.
        fresh = verdict is not None and verdict.at > (self._observed_at or self._began_utc)
        self._latest = verdict
        if fresh and verdict is not None:
            self._observed_at = verdict.at
            self._emit(CanaryObserved(verdict.part or "", verdict.took_s))
        age_s = self.proven_age_s
        running_s = self._clock.monotonic() - self._began
        self._emit(
            ProvenPageMeasured(running_s if age_s is None else age_s, self._settings.period_s, self.word)
        )

    @property
    def proven_age_s(self) -> float | None:
        """None when no page was ever proven."""
        proven = self._latest.proven_at if self._latest is not None else None
        return None if proven is None else max(0.0, (self._clock.utc() - proven).total_seconds())

    @property
    def word(self) -> str:
        """proven, the part that the latest canary blames, overdue, or "" while there was none yet."""
        latest, period_s = self._latest, self._settings.period_s
        running_s = self._clock.monotonic() - self._began
        if not self._settings.on:
            return ""
        if running_s > _PERIODS * period_s:
            age_s = None if latest is None else (self._clock.utc() - latest.at).total_seconds()
            if age_s is None or age_s > _PERIODS * period_s + self._settings.timeout_s:
                return OVERDUE
        if latest is None:
            return ""
        return "proven" if latest.part is None else str(latest.part)
