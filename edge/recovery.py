"""Where a process that begins takes up the journal, and which entries it meets again from there."""

from __future__ import annotations

from dataclasses import dataclass

from edge.domain.arrival import InstanceStored
from edge.domain.identity import SeriesInstanceUID, made_up_series
from edge.history import named_series
from edge.journal_port import Journal
from edge.ports import Ledger

# Instances that named no series and could not be read: as many are tried again when a process begins.
MOST_LOST = 64


@dataclass
class Recovery:
    """`series` maps entries from `begin` on to the series that another process found them to be of.

    Of entries that come for the first time it holds the one that is being routed.
    """

    begin: int
    series: dict[int, SeriesInstanceUID]
    through: dict[SeriesInstanceUID, int]
    lost: tuple[InstanceStored, ...]
    _ends_at: int | None

    @classmethod
    def of(cls, journal: Journal, ledger: Ledger) -> Recovery:
        """From the ledger's word on what has had its effect, back to associations that go on since."""
        begin = max(1, journal.replay_from(min(ledger.read_on_from(), ledger.first_unconcluded())))
        series = {n: SeriesInstanceUID(uid) for n, uid in ledger.series_of_instances(begin).items()}
        ends = {uid: ledger.conclusion_of(uid) for uid in series.values()}
        through = {uid: end.through_sequence for uid, end in ends.items() if end is not None}
        lost = journal.stored([n for n in ledger.lost_alone(MOST_LOST) if n < begin])
        return cls(begin, series, through, tuple(lost), max(series, default=begin - 1))

    def concluded(self, entry: InstanceStored) -> bool:
        """Whether the entry is part of an outcome already, so that nobody needs its pixels.

        One that named no series is read again: it bars a negative for others, and nothing else says so.
        """
        uid = named_series(entry, self.series)
        return uid is not None and entry.sequence <= self.through.get(uid, 0)

    def takes_up(self, entry: InstanceStored) -> None:
        """A lost one from before `begin` is read again; it belongs to nobody so far."""
        self.series[entry.sequence] = made_up_series(entry.instance.sop_instance_uid)

    def passed(self, sequence: int) -> None:
        """Nothing more comes of that entry."""
        self.series.pop(sequence, None)

    def ends(self, sequence: int) -> bool:
        """True once: when all that the other process knew is known here."""
        if self._ends_at is None or sequence < self._ends_at:
            return False
        self._ends_at = None
        self.through.clear()
        return True
