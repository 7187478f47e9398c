"""The running agent: routes what the journal says to the journeys of the series, and restarts them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing

from edge.domain.arrival import (
    AnnouncementReceived,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.identity import AssociationId, SeriesInstanceUID
from edge.domain.scanner import Scanners
from edge.errors import where
from edge.history import Progress, SeriesHistory, named_series, placed
from edge.intake import Taken
from edge.journal_port import Journal
from edge.patience import patiently
from edge.pipeline import follow, give_up
from edge.recollection import Recollection
from edge.recovery import Recovery
from edge.surroundings import (
    Delivery,
    Opening,
    SeriesAnnounced,
    SliceRead,
    Surroundings,
    UnusableRead,
    read,
)
from edge.telemetry.events import InstanceUnusable, SeriesOpened, TaskFailed

# A journey that fails this often on the same series ends that series FAILED instead of trying again.
MAX_CRASHES = 3


class Agent:
    """One task routes; each series revision is a task of its own; the ledger makes restarts harmless."""

    def __init__(self, around: Surroundings, journal: Journal, key: bytes, scanners: Scanners) -> None:
        self.progress = Progress()
        self._around, self._journal, self._key = around, journal, key
        self._recollection = Recollection(journal, around.ledger, scanners)
        self._calling: dict[AssociationId, str] = {}
        self._carried: defaultdict[AssociationId, set[SeriesInstanceUID]] = defaultdict(set)
        self._nameless: defaultdict[AssociationId, list[UnusableRead]] = defaultdict(list)
        self.recovery = Recovery.of(journal, around.ledger)
        self._recollection.at = self.recovery.begin
        self.progress.last_sequence = self.recovery.begin - 1

    async def run(self, taken: AsyncIterator[Taken]) -> None:
        """Routes for ever; cancel to stop. Whatever was under way starts over from the journal."""
        async with asyncio.TaskGroup() as tasks:
            await self._look_back(tasks)
            async for item in taken:
                await self._route(item, tasks)

    async def _look_back(self, tasks: asyncio.TaskGroup) -> None:
        """Files that were out of reach before a restart may be within it again."""
        for entry in self.recovery.lost:
            self.recovery.takes_up(entry)
            async for item in read(entry, self._around):
                if isinstance(item, SliceRead) or item.content.series_known:
                    await self._instance(item, tasks)
            self.recovery.passed(entry.sequence)
        if self.recovery.ends(self.progress.last_sequence):
            await self._speak_up(tasks)

    async def _route(self, item: Taken, tasks: asyncio.TaskGroup) -> None:
        entry = item.entry if isinstance(item, SliceRead | UnusableRead) else item
        self._recollection.routed(entry.sequence)
        match item:
            case SliceRead() | UnusableRead():
                await self._instance(item, tasks)
            case InstanceStored():
                await self._concluded_instance(item, tasks)
            case AssociationOpened():
                self._calling[item.association_id] = item.calling_ae_title
            case DuplicateReceived() | ConflictReceived():
                if (uid := self._recollection.series_of(item.instance.sop_instance_uid)) is not None:
                    await self._tell(self._note(item, uid), item, tasks)
            case AssociationReleased() | AssociationAborted():
                for uid in self._carried.pop(item.association_id, set()):
                    if history := self._recollection.if_known(uid, incomplete=True):
                        history.add(item)
                        await self._tell(history, item, tasks)
                self._calling.pop(item.association_id, None)
                self._nameless.pop(item.association_id, None)
            case AnnouncementReceived():
                before = self._journal.word_of(item.announcement.uid, item.sequence)
                for uid in {**item.announcement.series, **(before.series if before else {})}:
                    if (history := self._recollection.if_known(uid)) is not None:
                        await self._announce(history, item.sequence, tasks)
        if entry.sequence != self.progress.last_sequence:
            self.recovery.passed(self.progress.last_sequence)
        self.progress.last_sequence = entry.sequence
        if self.recovery.ends(entry.sequence):
            await self._speak_up(tasks)

    async def _concluded_instance(self, entry: InstanceStored, tasks: asyncio.TaskGroup) -> None:
        uid = self.recovery.series[entry.sequence]
        if self._history(uid).mailbox is None:
            self._note(entry, uid)
            await self._tell_of_nameless(entry.association_id, tasks, uid)
            return
        # One before it that could not be read until now has begun a revision, which needs this one too.
        async for item in read(entry, self._around):
            await self._instance(item, tasks)

    async def _instance(self, item: SliceRead | UnusableRead, tasks: asyncio.TaskGroup) -> None:
        item = placed(item, self.recovery.series, self._key)
        described = item.content.header if isinstance(item, SliceRead) else item.content
        uid = described.series_instance_uid
        if self.recovery.series.get(item.entry.sequence) != uid:
            ledger = self._around.ledger
            await patiently(self._around.emit, ledger.remember_instance, item.entry.sequence, uid)
            self.recovery.series[item.entry.sequence] = uid
        self.progress.slices_decoded += 1
        history = self._history(uid)
        history.first = history.first or described
        self._note(item.entry, uid)
        if history.mailbox is not None:
            history.mailbox.put_nowait(item)
        elif history.since_conclusion(item.entry) or uid == named_series(item.entry, self.recovery.series):
            self._open(history, [item], tasks)
        association = item.entry.association_id
        if isinstance(item, UnusableRead):
            self._around.emit(
                InstanceUnusable(history.reference(self._key).series_token, item.content.reason)
            )
            if not item.content.series_known and association in self._calling:
                self._nameless[association].append(item)
                await self._tell_of_nameless(association, tasks, *self._carried[association])
        await self._tell_of_nameless(association, tasks, uid)

    async def _announce(self, history: SeriesHistory, sequence: int, tasks: asyncio.TaskGroup) -> None:
        announced = self._recollection.announced(history.uid, sequence)
        if announced != history.announced:
            history.announced, history.announced_at = announced, sequence
            await self._tell(history, SeriesAnnounced(announced, sequence), tasks)

    async def _tell(self, history: SeriesHistory, delivery: Delivery, tasks: asyncio.TaskGroup) -> None:
        """To the revision under way, or to a new one if it makes the last outcome untrue."""
        if history.mailbox is None and history.reopened_by(delivery):
            damage = [delivery] if isinstance(delivery, UnusableRead) else []
            await self._reopen(history, tasks, *damage)
        else:
            history.tell(delivery)

    async def _reopen(self, history: SeriesHistory, tasks: asyncio.TaskGroup, *damage: UnusableRead) -> None:
        """Begins a revision though nothing arrived that is known to be of it."""
        # From here on nobody else begins one, and whatever happens is told to this one.
        history.mailbox, history.opened_at = asyncio.Queue(), self._recollection.at
        if history.first is None:  # all of it was concluded before, and nothing of it read since
            async with aclosing(read(history.instances[0], self._around)) as parts:
                item = await anext(parts)
            item = placed(item, {item.entry.sequence: history.uid}, self._key)
            history.first = item.content.header if isinstance(item, SliceRead) else item.content
        met = [d for d in history.close() if isinstance(d, SliceRead | UnusableRead)]
        self._open(history, [*damage, *met, *history.ends_and_duplicates()], tasks)

    async def _tell_of_nameless(
        self, association: AssociationId, tasks: asyncio.TaskGroup, *series: SeriesInstanceUID
    ) -> None:
        """A damaged instance that names no series may be of any on its association: none may be negative."""
        for item in self._nameless.get(association, []):
            for uid in series:
                history = self._history(uid)
                if uid == item.content.series_instance_uid or item.entry in history:
                    continue
                history.add(item.entry)
                await self._tell(history, item, tasks)

    def _note(
        self, entry: InstanceStored | DuplicateReceived | ConflictReceived, uid: SeriesInstanceUID
    ) -> SeriesHistory:
        history = self._history(uid)
        history.add(entry)
        if entry.association_id in self._calling:
            self._carried[entry.association_id].add(uid)
        calling = self._calling.get(entry.association_id, "")
        history.scanner = history.scanner or self._recollection.scanner(calling)
        return history

    def _open(self, history: SeriesHistory, news: list[Delivery], tasks: asyncio.TaskGroup) -> None:
        """Begins a revision: the instances of its predecessor first, then what came since."""
        history.opened_at = history.opened_at or self._recollection.at
        opening = history.opening(self._around, self._key, self._calling, news)
        series = opening.speaker.series
        self.progress.opened(series)
        said = (series.series_token, series.revision, series.scanner)
        self._around.emit(SeriesOpened(*said, test=series.test))
        tasks.create_task(self._journey(history, opening, tasks))

    async def _journey(self, history: SeriesHistory, opening: Opening, tasks: asyncio.TaskGroup) -> None:
        try:
            history.conclusion = await follow(opening, self._around)
        except OSError:
            raise  # the disk, not the series: the process ends and starts over from the journal
        except Exception as error:  # noqa: BLE001 - boundary: one series must never stop the others
            history.crashes += 1
            self._around.emit(TaskFailed("journey", where(error)))
            if history.crashes < MAX_CRASHES:
                self.progress.given_up(opening.speaker.series)
                self._open(history, history.ends_and_duplicates(), tasks)
                return
            history.conclusion = await give_up(opening, history.instances, self._around)
        history.crashes, history.opened_at = 0, history.conclusion.through_sequence + 1
        self.progress.concluded(opening.speaker.series, self._around.clock.monotonic())
        if (left := history.left_open()) is None:
            history.opened_at = 0
        else:
            self._open(history, left, tasks)
        await self._speak_up(tasks, history.uid)
        read_on = self._recollection.read_on_from()
        await patiently(self._around.emit, self._around.ledger.note_read_on, read_on)

    async def _speak_up(self, tasks: asyncio.TaskGroup, about: SeriesInstanceUID | None = None) -> None:
        """Begins a revision of whatever gave way to a reconstruction that turned out to say nothing."""
        found = await patiently(self._around.emit, self._around.ledger.unspoken, about)
        for uid, chosen in found.items():
            history = self._history(SeriesInstanceUID(uid))
            # A revision of the chosen one that is under way asks again when it ends.
            if history.mailbox is None and self._history(SeriesInstanceUID(chosen)).mailbox is None:
                await self._reopen(history, tasks)

    def _history(self, uid: SeriesInstanceUID) -> SeriesHistory:
        return self._recollection.of(uid)
