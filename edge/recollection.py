"""What the agent holds in memory of series: those under way, and the latest that are over.

Of every other one journal and ledger tell again, in milliseconds, should anything come that concerns it.
All calls block and are made on the event loop, so that nothing else happens between a look and a step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from edge.domain.announcement import Announced, announced_of
from edge.domain.arrival import AssociationOpened, ConflictReceived, DuplicateReceived, InstanceStored
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID, made_up_series
from edge.domain.scanner import Scanner, Scanners
from edge.history import SeriesHistory
from edge.journal_port import Journal
from edge.ports import Ledger

# Of series that are over: about 15 MiB, and what a scanner repeats within the hour.
MOST_ENTRIES = 20_000
MOST_SERIES = 200
# Counting what is held costs a look at every series held.
_LOOK_EVERY = 64


class Recollection:
    """`at` is the journal entry that is being routed; what comes with it or later is not recalled."""

    def __init__(self, journal: Journal, ledger: Ledger, scanners: Scanners) -> None:
        self.at = 0
        self._journal, self._ledger, self._scanners = journal, ledger, scanners
        self._held: OrderedDict[SeriesInstanceUID, SeriesHistory] = OrderedDict()
        self._routed = 0

    def scanner(self, calling: str) -> Scanner | None:
        """Who calls by that AE title, as the site knows him; None for nobody."""
        return self._scanners.of(calling) if calling else None

    def of(self, uid: SeriesInstanceUID) -> SeriesHistory:
        """The history of a series, which may have none yet."""
        history = self._held.get(uid)
        if history is None:
            history = self._held[uid] = self._recalled(uid)
        self._held.move_to_end(uid)
        return history

    def if_known(self, uid: SeriesInstanceUID, *, incomplete: bool = False) -> SeriesHistory | None:
        """The same for a series that is under way or over; with `incomplete` over without being whole."""
        if uid not in self._held:
            conclusion = self._ledger.conclusion_of(uid)
            if conclusion is None or (incomplete and not conclusion.incomplete):
                return None
        return self.of(uid)

    def series_of(self, instance: SopInstanceUID) -> SeriesInstanceUID | None:
        """Of an instance that was routed before."""
        sequence = self._journal.sequence_of(instance)
        uid = None if sequence is None else self._ledger.series_of(sequence)
        return None if uid is None else SeriesInstanceUID(uid)

    def announced(self, uid: SeriesInstanceUID, through: int) -> Announced:
        """What was said of a series up to and with entry `through`."""
        return announced_of(uid, self._journal.announcements(uid, through + 1))

    def routed(self, sequence: int) -> None:
        """The next entry is being routed: now and then the oldest series that are over are forgotten."""
        self.at = sequence
        self._routed += 1
        if self._routed % _LOOK_EVERY == 0:
            self.forget_the_oldest()

    def forget_the_oldest(self) -> None:
        """Until what is left of series that are over is within its bounds."""
        over = [history for history in self._held.values() if history.mailbox is None]
        entries, series = sum(len(history.entries) for history in over), len(over)
        for history in over:
            if entries <= MOST_ENTRIES and series <= MOST_SERIES:
                return
            del self._held[history.uid]
            entries, series = entries - len(history.entries), series - 1

    def read_on_from(self) -> int:
        """The lowest entry that a revision under way would need again, should this process end now."""
        opened = (history.opened_at for history in self._held.values() if history.mailbox is not None)
        return min(opened, default=self.at)

    def _recalled(self, uid: SeriesInstanceUID) -> SeriesHistory:
        history = SeriesHistory(uid, announced=self.announced(uid, self.at - 1))
        own = [n for n in self._ledger.sequences_of(uid) if n < self.at]
        history.conclusion = self._ledger.conclusion_of(uid)
        if not own:
            return history
        associations: set[AssociationId] = set()
        calling: dict[AssociationId, str] = {}
        for entry in self._journal.story(own, self.at):
            associations.add(entry.association_id)
            if isinstance(entry, AssociationOpened):
                calling[entry.association_id] = entry.calling_ae_title
                continue
            history.add(entry)
            # Who brought the first of it, not who had called before and repeated some of it later.
            if isinstance(entry, InstanceStored | DuplicateReceived | ConflictReceived):
                title = calling.get(entry.association_id, "")
                history.scanner = history.scanner or self.scanner(title)
        for entry in self._nameless(associations):
            history.add(entry)
        return history

    def _nameless(self, associations: Iterable[AssociationId]) -> list[InstanceStored]:
        """Instances that may be of any series on their association; see Agent."""
        brought = [e for a in sorted(associations) for e in self._journal.brought_by(a, self.at)]
        series = self._ledger.series_among([e.sequence for e in brought])
        return [e for e in brought if series.get(e.sequence) == made_up_series(e.instance.sop_instance_uid)]
