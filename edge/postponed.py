"""Messages that wait for another attempt, each for itself, so that none dams up the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.alert_ports import MessageSummary
from edge.ports import PendingMessage

REFUSED_AGAIN_S = 5.0
FIRST_UNHEARD_AGAIN_S = 5.0
LONGEST_UNHEARD_AGAIN_S = 30.0
# Nobody listened until the page had expired: it is still not given up, but it is no longer urgent.
EXPIRED_AGAIN_S = 300.0


class Postponed:
    """By outbox sequence; times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._unheard: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._until)

    def holds(self, sequence: int, now: float) -> bool:
        return now < self._until.get(sequence, now)

    def refused(self, sequence: int, now: float) -> None:
        self._until[sequence] = now + REFUSED_AGAIN_S

    def unheard(self, sequence: int, now: float, *, expired: bool) -> None:
        """The broker took it and had nobody to give it to: 5, 10, 20, then every 30 s, 300 s once expired."""
        times = self._unheard.get(sequence, 0)
        self._unheard[sequence] = times + 1
        growing = min(LONGEST_UNHEARD_AGAIN_S, FIRST_UNHEARD_AGAIN_S * 2 ** min(times, 10))
        self._until[sequence] = now + (EXPIRED_AGAIN_S if expired else growing)

    def done(self, sequence: int) -> None:
        self._until.pop(sequence, None)
        self._unheard.pop(sequence, None)

    def somebody_listens(self, now: float) -> None:
        """A page was heard, so those that were not are worth another attempt at once."""
        for sequence in self._unheard:
            self._until[sequence] = now


def alerts_first(
    waiting: Sequence[PendingMessage], summaries: Mapping[int, MessageSummary]
) -> Sequence[PendingMessage]:
    """Alerts before anything else, each kind by sequence.

    After an outage results may stand before an alert by the hundred, and somebody waits for the alert.
    An alert's own steps keep their order; consumers put the rest in order by `sequence`.
    """
    return sorted(waiting, key=lambda p: (not summaries[p.sequence].alert, p.sequence))
