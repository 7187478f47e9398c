"""What the agent remembers of each series, and how far it is with everything."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from edge.domain.announcement import NOTHING_ANNOUNCED, Announced
from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.canary import own_series
from edge.domain.case import SeriesCase
from edge.domain.completeness import Decision, Facts, Phase, SeriesEvent, decide
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID, made_up_series
from edge.domain.naming import series_reference
from edge.domain.outcome import SeriesReference
from edge.domain.scanner import Scanner
from edge.domain.series import SeriesInProgress, SliceHeader, UnusableInstance
from edge.domain.statement import Speaker
from edge.ports import Conclusion
from edge.surroundings import Delivery, Opening, SeriesAnnounced, SliceRead, Surroundings, UnusableRead


@dataclass
class SeriesHistory:
    """Everything the journal said of one series, and its journey while there is one.

    `opened_at` is the lowest entry that the revision under way was begun for.
    """

    uid: SeriesInstanceUID
    entries: list[Arrival] = field(default_factory=list[Arrival])
    conclusion: Conclusion | None = None
    mailbox: asyncio.Queue[Delivery] | None = None
    first: SliceHeader | UnusableInstance | None = None
    scanner: Scanner | None = None
    crashes: int = 0
    announced: Announced = NOTHING_ANNOUNCED
    announced_at: int = 0
    opened_at: int = 0
    _numbers: set[int] = field(default_factory=set[int])

    @property
    def instances(self) -> tuple[InstanceStored, ...]:
        return tuple(e for e in self.entries if isinstance(e, InstanceStored))

    def add(self, entry: Arrival) -> None:
        """Once also for an instance of many frames, which come with the same entry one after the other."""
        if entry.sequence in self._numbers:
            return
        if isinstance(entry, InstanceStored) and entry.instance.frame is not None:
            entry = replace(entry, instance=replace(entry.instance, frame=None))
        self._numbers.add(entry.sequence)
        self.entries.append(entry)

    def __contains__(self, entry: Arrival) -> bool:
        return entry.sequence in self._numbers

    def made_whole_by(self, end: AssociationReleased) -> bool:
        """Whether an association that carried all of an INCOMPLETE series is released after all."""
        if self.conclusion is None or not self.conclusion.incomplete:
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

    def reopened_by(self, delivery: Delivery) -> bool:
        """Whether it makes the last outcome untrue."""
        match delivery:
            case AssociationReleased():
                return self.made_whole_by(delivery)
            case ConflictReceived():
                return self.reopened_by_conflict()
            case SeriesAnnounced():
                return self.reopened_by_words()
            case UnusableRead():
                return self.reopened_by_damage(delivery.entry)
            case _:
                return False

    def left_open(self) -> list[Delivery] | None:
        """Ends a journey: what the next one begins with, None when there is no need for one."""
        left = self.close()
        if any(isinstance(d, SliceRead | UnusableRead) for d in left):
            return left
        untrue = self.reopened_by_words() or self.reopened_by_conflict()
        if untrue or any(isinstance(d, AssociationReleased) and self.made_whole_by(d) for d in left):
            return self.ends_and_duplicates()
        return None

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

    def reference(self, key: bytes) -> SeriesReference:
        """What the next revision goes by."""
        assert self.first is not None, "a series has a first instance before it has a journey"
        before = self.conclusion
        revision, predecessor = (before.revision + 1, before.outcome_id) if before else (1, None)
        scanner = self.scanner or Scanner("", "")
        return series_reference(key, self.first, scanner, revision, predecessor)

    def opening(
        self, around: Surroundings, key: bytes, calling: Collection[AssociationId], news: list[Delivery]
    ) -> Opening:
        """A revision in a new mailbox: the past, then `news`; `calling` are associations that are open."""
        fresh = {d.entry.sequence for d in news if isinstance(d, SliceRead | UnusableRead)}
        past = tuple(e for e in self.instances if e.sequence not in fresh)
        self.mailbox = asyncio.Queue()
        # What was announced comes last: the past alone may be all that a step named, and the news be more.
        announced = SeriesAnnounced(self.announced, self.announced_at)
        for delivery in [*self.carried_again(calling), *news, announced]:
            self.mailbox.put_nowait(delivery)
        model, late = around.model, Decision(Phase.COLLECTING)
        if self.conclusion is not None:
            late = decide(Phase.COMPLETE, SeriesEvent.LATE_ARRIVAL, Facts(gapless=False))
        case = SeriesCase(
            SeriesInProgress(self.uid),
            model.clinical_scope,
            decision=late,
            conflicting=self.conflicting,
            heeds_images_in_acquisition=around.timers.images_in_acquisition,
        )
        speaker = Speaker(key, model.identity, model.rules, self.reference(key))
        over = frozenset(e.association_id for e in past if e.association_id not in calling)
        return Opening(case, speaker, past, over, self.mailbox)


def named_series(
    entry: InstanceStored, remembered: Mapping[int, SeriesInstanceUID]
) -> SeriesInstanceUID | None:
    """The series that an entry was found to name, if it was read before and named any."""
    uid = remembered.get(entry.sequence)
    return None if uid == made_up_series(entry.instance.sop_instance_uid) else uid


def placed(
    item: SliceRead | UnusableRead, remembered: Mapping[int, SeriesInstanceUID], key: bytes
) -> SliceRead | UnusableRead:
    """The item in the series it is dealt with under.

    A read that failed does not take an instance, or the frames read before, to another series; and what
    claims to be of a canary and is none of its slices goes into a series of its own.
    """
    uid = named_series(item.entry, remembered)
    if isinstance(item, UnusableRead) and not item.content.series_known and uid is not None:
        item = replace(item, content=replace(item.content, series_instance_uid=uid, series_known=True))
    described = item.content.header if isinstance(item, SliceRead) else item.content
    own = own_series(key, described.series_instance_uid, described.sop_instance_uid)
    if own == described.series_instance_uid:
        return item
    if isinstance(item, UnusableRead):
        return replace(item, content=replace(item.content, series_instance_uid=own))
    header = replace(item.content.header, series_instance_uid=own)
    return replace(item, content=replace(item.content, header=header))


@dataclass
class Progress:
    """What the heartbeat carries: it moves only when work was really done."""

    last_sequence: int = 0
    slices_decoded: int = 0
    series_open: int = 0
    series_concluded: int = 0
    last_outcome_at: float | None = None

    def opened(self, series: SeriesReference) -> None:
        """A canary is work like any other, but no series that anybody waits for."""
        self.series_open += not series.test

    def given_up(self, series: SeriesReference) -> None:
        self.series_open -= not series.test

    def concluded(self, series: SeriesReference, now: float) -> None:
        self.given_up(series)
        if not series.test:
            self.series_concluded += 1
            self.last_outcome_at = now
