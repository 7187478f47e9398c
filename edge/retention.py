"""Retention in the running agent: looks every few seconds, and asks the receiver for a few series at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from edge.domain.retention import RetentionRules, StoredSeries, Verdict, Witnessed, judge
from edge.errors import EdgeError, where
from edge.ports import Clock
from edge.settings import RetentionSettings
from edge.spool.stored_series import free_bytes, removals_under_way, stored_series
from edge.telemetry.events import Happening, SeriesRemovalRequested, SpoolMeasured, TaskFailed

LOOK_EVERY_S = 30.0
# While space is short images must go before the floor is reached, so nobody waits for the next look.
LOOK_AGAIN_S = 2.0
MEASURE_EVERY_S = 5.0
# Each is a commit of the ledger, which pages wait for.
_AT_ONCE = 8
_GIB = 1024**3


def rules_of(settings: RetentionSettings) -> RetentionRules:
    """The settings in the words of the core."""
    return RetentionRules(
        longest=timedelta(days=settings.days),
        shortest=timedelta(hours=settings.least_hours),
        target_free_bytes=int(settings.free_gib * _GIB),
    )


class Looks:
    """One look after the other; `sure` says whether the wall clock may be trusted with ages in days."""

    def __init__(
        self, state_dir: Path, rules: RetentionRules, clock: Clock, sure: Callable[[], bool]
    ) -> None:
        self._state_dir, self._rules, self._clock, self._sure = state_dir, rules, clock, sure
        self._witnessed = Witnessed()

    def verdicts(self) -> list[tuple[StoredSeries, Verdict]]:
        """What would go now and what stays; while removals are under way nothing goes for the space."""
        rules, state_dir = self._rules, self._state_dir
        free = rules.target_free_bytes if removals_under_way(state_dir) else free_bytes(state_dir)
        stored, since = stored_series(state_dir), self._clock.monotonic()
        self._witnessed = self._witnessed.after(stored, since)
        # The wall clock is read before it is asked whether it is sure: so no step falls between the two.
        ages = self._witnessed.ages(stored, self._clock.utc(), since)
        return judge(stored, rules, ages, free, sure=self._sure())

    @property
    def space_is_short(self) -> bool:
        return free_bytes(self._state_dir) < self._rules.target_free_bytes


def verdicts(state_dir: Path, rules: RetentionRules, clock: Clock) -> list[tuple[StoredSeries, Verdict]]:
    """One look by somebody who has watched neither series nor clock."""
    return Looks(state_dir, rules, clock, lambda: True).verdicts()


async def retain(
    looks: Looks, request: Callable[[str, str], None], emit: Callable[[Happening], None]
) -> None:
    """For ever; `request` is given series and reason, and is durable when it returns."""

    def turn() -> bool:
        leaving = [(s, v) for s, v in looks.verdicts() if v.removes]
        for series, verdict in leaving[:_AT_ONCE]:
            request(series.series_instance_uid, verdict)
            emit(SeriesRemovalRequested(series.series_token, verdict, series.size_bytes))
        return looks.space_is_short

    while True:
        short = False
        try:
            short = await asyncio.to_thread(turn)
        except EdgeError as error:
            # A full disk above all: the receiver refuses what does not fit, and the next look may succeed.
            emit(TaskFailed("retention", where(error)))
        await asyncio.sleep(LOOK_AGAIN_S if short else LOOK_EVERY_S)


async def measure(state_dir: Path, emit: Callable[[Happening], None]) -> None:
    """For ever; how much this process may still write where the inbox is."""
    while True:
        emit(SpoolMeasured(free_bytes(state_dir)))
        await asyncio.sleep(MEASURE_EVERY_S)
