"""What the agent remembers of each series, and how far it is with everything."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from edge.domain.announcement import NOTHING_ANNOUNCED, Announced, Announcement, announced_of
from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.completeness import Decision, Facts, Phase, SeriesEvent, decide
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID, made_up_series
from edge.domain.series import SliceHeader, UnusableInstance
from edge.ports import Conclusion
from edge.surroundings import Delivery, SeriesAnnounced, SliceRead, UnusableRead


@dataclass
class SeriesHistory:
    """Everything the journal said of one series, and its journey while there is one."""

    uid: SeriesInstanceUID
    entries: list[Arrival] = field(default_factory=list[Arrival])
    conclusion: Conclusion | None = None
    mailbox: asyncio.Queue[Delivery] | None = None
    first: SliceHeader | UnusableInstance | None = None
    scanner: str = ""
    crashes: int = 0
    announced: Announced = NOTHING_ANNOUNCED
    announced_at: int = 0

    @property
    def instances(self) -> tuple[InstanceStored, ...]:
        return tuple(e for e in self.entries if isinstance(e, InstanceStored))

    def add(self, entry: Arrival) -> None:
        """Once also for an instance of many frames, which come with the same entry one after the other."""
        if isinstance(entry, InstanceStored) and entry.instance.frame is not None:
            entry = replace(entry, instance=replace(entry.instance, frame=None))
        if not self.entries or self.entries[-1].sequence != entry.sequence:
            self.entries.append(entry)

    def made_whole_by(self, end: AssociationReleased | AssociationAborted) -> bool:
        """Whether an association that carried all of an INCOMPLETE series is released after all."""
        if self.conclusion is None or not self.conclusion.incomplete or isinstance(end, AssociationAborted):
            return False
        carried = {
            e.instance.sop_instance_uid
            for e in self.entries
            if isinstance(e, InstanceStored | DuplicateReceived) and e.association_id == end.association_id
        }
        return {e.instance.sop_instance_uid for e in self.instances} <= carried

    def reopened_by_words(self) -> bool:
        """Whether what was announced since the last outcome makes that outcome untrue."""
        if self.conclusion is None or self.announced_at <= self.conclusion.through_sequence:
            return False
        tally = self.announced.tally({e.instance.sop_instance_uid for e in self.instances})
        return self.conclusion.reopened_by(tally, discontinued=self.announced.discontinued)

    @property
    def conflicting(self) -> frozenset[SopInstanceUID]:
        """Instances that came again with other bytes at any time: no later revision may forget them."""
        return frozenset(e.instance.sop_instance_uid for e in self.entries if isinstance(e, ConflictReceived))

    def reopened_by_conflict(self) -> bool:
        """Whether other bytes came since it was said that the series was complete."""
        if self.conclusion is None or not self.conclusion.complete:
            return False
        return any(isinstance(e, ConflictReceived) and self.since_conclusion(e) for e in self.entries)

    def reopened_by_damage(self, entry: InstanceStored) -> bool:
        """Whether an instance that may be of this series, and cannot be read, came after it was complete."""
        return self.conclusion is not None and self.conclusion.complete and self.since_conclusion(entry)

    def since_conclusion(self, entry: Arrival) -> bool:
        return self.conclusion is None or entry.sequence > self.conclusion.through_sequence

    def ends_and_duplicates(self) -> list[Delivery]:
        """What a journey that starts over has to be told besides the instances."""
        return [
            e
            for e in self.entries
            if isinstance(e, AssociationReleased | AssociationAborted | DuplicateReceived | ConflictReceived)
            and self.since_conclusion(e)
        ]

    def carried_again(self, still_open: Collection[AssociationId]) -> list[Delivery]:
        """Duplicates since the last outcome on associations that are still open: a retry under way."""
        return [
            e
            for e in self.entries
            if isinstance(e, DuplicateReceived | ConflictReceived)
            and self.since_conclusion(e)
            and e.association_id in still_open
        ]

    def tell(self, delivery: Delivery) -> None:
        if self.mailbox is not None:
            self.mailbox.put_nowait(delivery)

    def close(self) -> list[Delivery]:
        """What its journey left unread; the latest announcement is kept here, older ones are no news."""
        mailbox, self.mailbox = self.mailbox, None
        left = [mailbox.get_nowait() for _ in range(mailbox.qsize())] if mailbox is not None else []
        return [d for d in left if not isinstance(d, SeriesAnnounced)]

    def first_decision(self) -> Decision:
        if self.conclusion is None:
            return Decision(Phase.COLLECTING)
        return decide(Phase.COMPLETE, SeriesEvent.LATE_ARRIVAL, Facts(gapless=False))


def named_series(
    entry: InstanceStored, remembered: Mapping[int, SeriesInstanceUID]
) -> SeriesInstanceUID | None:
    """The series that an entry was found to name, if it was read before and named any."""
    uid = remembered.get(entry.sequence)
    return None if uid == made_up_series(entry.instance.sop_instance_uid) else uid


def attributed(
    item: SliceRead | UnusableRead, remembered: Mapping[int, SeriesInstanceUID]
) -> SliceRead | UnusableRead:
    """A read that failed does not take an instance, or the frames read before, to another series."""
    uid = named_series(item.entry, remembered)
    if isinstance(item, SliceRead) or item.content.series_known or uid is None:
        return item
    return replace(item, content=replace(item.content, series_instance_uid=uid, series_known=True))


class Announcements:
    """The latest word of every step and notification, also of series that have not arrived yet."""

    def __init__(self) -> None:
        self._latest: dict[str, Announcement] = {}
        self._naming: defaultdict[SeriesInstanceUID, set[str]] = defaultdict(set)

    def note(self, announcement: Announcement) -> frozenset[SeriesInstanceUID]:
        """Takes the place of what it said before; returns the series that either of them names."""
        before = self._latest.get(announcement.uid)
        self._latest[announcement.uid] = announcement
        for series in announcement.series:
            self._naming[series].add(announcement.uid)
        return frozenset(announcement.series) | frozenset(before.series if before else ())

    def of(self, series: SeriesInstanceUID) -> Announced:
        return announced_of(series, (self._latest[uid] for uid in self._naming.get(series, ())))


@dataclass
class Progress:
    """What the heartbeat carries: it moves only when work was really done."""

    last_sequence: int = 0
    slices_decoded: int = 0
    series_open: int = 0
    series_concluded: int = 0
    last_outcome_at: float | None = None
