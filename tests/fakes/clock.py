"""A clock that moves only when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2024, 5, 1, 3, 0, tzinfo=UTC)


class FakeClock:
    """ports.Clock; both hands move together, but where a test sets the time of day."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def monotonic(self) -> float:
        return self._elapsed_s

    def utc(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def set_by(self, seconds: float) -> None:
        """As `date -s` or NTP would: only the time of day jumps."""
        self._start += timedelta(seconds=seconds)
