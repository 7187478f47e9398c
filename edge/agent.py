"""The running agent: routes what the journal says to the journeys of the series, and restarts them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
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
from edge.domain.case import SeriesCase
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID
from edge.domain.naming import series_reference
from edge.domain.outcome import SeriesReference
from edge.domain.series import SeriesInProgress
from edge.domain.statement import Speaker
from edge.errors import where
from edge.history import Announcements, Progress, SeriesHistory, attributed, named_series
from edge.intake import Taken
from edge.patience import patiently
from edge.pipeline import follow, give_up
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

    def __init__(self, around: Surroundings, key: bytes, scanners: Mapping[str, str]) -> None:
        self.progress = Progress()
        self._around, self._key, self._scanners = around, key, scanners
        self._series: dict[SeriesInstanceUID, SeriesHistory] = {}
        self._series_of: dict[SopInstanceUID, SeriesInstanceUID] = {}
        self._calling: dict[AssociationId, str] = {}
        self._carried: defaultdict[AssociationId, set[SeriesInstanceUID]] = defaultdict(set)
        self._nameless: defaultdict[AssociationId, list[UnusableRead]] = defaultdict(list)
        self._remembered: dict[int, SeriesInstanceUID] = {}
        self._announcements = Announcements()

    def recover(self) -> None:
        """Reads the ledger: which instances belong where, and which series have ended already."""
        remembered = self._around.ledger.series_of_instances()
        self._remembered = {n: SeriesInstanceUID(uid) for n, uid in remembered.items()}
        for uid, conclusion in self._around.ledger.conclusions().items():
            self._history(SeriesInstanceUID(uid)).conclusion = conclusion

    def concluded(self, entry: InstanceStored) -> bool:
        """Whether the entry is part of an outcome already, so that nobody needs its pixels.

        One that named no series is read again: it bars a negative for others, and nothing else says so.
        """
        uid = named_series(entry, self._remembered)
        return uid is not None and not self._history(uid).since_conclusion(entry)

    async def run(self, taken: AsyncIterator[Taken]) -> None:
        """Routes for ever; cancel to stop. Whatever was under way starts over from the journal."""
        async with asyncio.TaskGroup() as tasks:
            async for item in taken:
                await self._route(item, tasks)

    async def _route(self, item: Taken, tasks: asyncio.TaskGroup) -> None:
        match item:
            case SliceRead() | UnusableRead():
                await self._instance(item, tasks)
            case InstanceStored():
                await self._concluded_instance(item, tasks)
            case AssociationOpened():
                self._calling[item.association_id] = item.calling_ae_title
            case DuplicateReceived() | ConflictReceived():
                if (uid := self._series_of.get(item.instance.sop_instance_uid)) is not None:
                    await self._again(self._note(item, uid), item, tasks)
            case AssociationReleased() | AssociationAborted():
                for uid in self._carried.pop(item.association_id, set()):
                    history = self._history(uid)
                    history.entries.append(item)
                    if history.mailbox is None and history.made_whole_by(item):
                        await self._reopen(history, tasks)
                    else:
                        history.tell(item)
                self._calling.pop(item.association_id, None)
                self._nameless.pop(item.association_id, None)
            case AnnouncementReceived():
                for uid in self._announcements.note(item.announcement) & self._series.keys():
                    await self._announce(self._series[uid], item.sequence, tasks)
        entry = item.entry if isinstance(item, SliceRead | UnusableRead) else item
        self.progress.last_sequence = entry.sequence

    async def _concluded_instance(self, entry: InstanceStored, tasks: asyncio.TaskGroup) -> None:
        uid = self._remembered[entry.sequence]
        if self._history(uid).mailbox is None:
            self._note(entry, uid)
            await self._tell_of_nameless(entry.association_id, tasks)
            return
        # One before it that could not be read until now has begun a revision, which needs this one too.
        async for item in read(entry, self._around):
            await self._instance(item, tasks)

    async def _instance(self, item: SliceRead | UnusableRead, tasks: asyncio.TaskGroup) -> None:
        item = attributed(item, self._remembered)
        described = item.content.header if isinstance(item, SliceRead) else item.content
        uid = described.series_instance_uid
        if self._remembered.get(item.entry.sequence) != uid:
            ledger = self._around.ledger
            await patiently(self._around.emit, ledger.remember_instance, item.entry.sequence, uid)
            self._remembered[item.entry.sequence] = uid
        self.progress.slices_decoded += 1
        history = self._history(uid)
        history.first = history.first or described
        self._note(item.entry, uid)
        if history.mailbox is not None:
            history.mailbox.put_nowait(item)
        elif history.since_conclusion(item.entry) or uid == named_series(item.entry, self._remembered):
            self._open(history, [item], tasks)
        if isinstance(item, UnusableRead):
            self._around.emit(InstanceUnusable(self._reference(history).series_token, item.content.reason))
            if not item.content.series_known:
                self._nameless[item.entry.association_id].append(item)
        await self._tell_of_nameless(item.entry.association_id, tasks)

    async def _again(
        self, history: SeriesHistory, item: DuplicateReceived | ConflictReceived, tasks: asyncio.TaskGroup
    ) -> None:
        if history.mailbox is None and history.reopened_by_conflict():
            await self._reopen(history, tasks)
        else:
            history.tell(item)

    async def _announce(self, history: SeriesHistory, sequence: int, tasks: asyncio.TaskGroup) -> None:
        announced = self._announcements.of(history.uid)
        if announced == history.announced:
            return
        history.announced, history.announced_at = announced, sequence
        if history.mailbox is None and history.reopened_by_words():
            await self._reopen(history, tasks)
        else:
            history.tell(SeriesAnnounced(announced, sequence))

    async def _reopen(self, history: SeriesHistory, tasks: asyncio.TaskGroup, *damage: UnusableRead) -> None:
        """Begins a revision though nothing arrived that is known to be of it."""
        if history.first is None:  # all of it was concluded before this process began: none was read
            async with aclosing(read(history.instances[0], self._around)) as parts:
                item = attributed(await anext(parts), self._remembered)
            history.first = item.content.header if isinstance(item, SliceRead) else item.content
        self._open(history, [*damage, *history.ends_and_duplicates()], tasks)

    async def _tell_of_nameless(self, association: AssociationId, tasks: asyncio.TaskGroup) -> None:
        """A damaged instance that names no series may be of any on its association: none may be negative."""
        for item in self._nameless.get(association, []):
            for uid in self._carried[association] - {item.content.series_instance_uid}:
                history = self._history(uid)
                if item.entry in history.entries:
                    continue
                history.entries.append(item.entry)
                if history.mailbox is None and history.reopened_by_damage(item.entry):
                    await self._reopen(history, tasks, item)
                else:
                    history.tell(item)

    def _note(
        self, entry: InstanceStored | DuplicateReceived | ConflictReceived, uid: SeriesInstanceUID
    ) -> SeriesHistory:
        history = self._history(uid)
        history.add(entry)
        self._series_of[entry.instance.sop_instance_uid] = uid
        self._carried[entry.association_id].add(uid)
        calling = self._calling.get(entry.association_id, "")
        history.scanner = history.scanner or self._scanners.get(calling, calling)
        return history

    def _open(self, history: SeriesHistory, news: list[Delivery], tasks: asyncio.TaskGroup) -> None:
        """Begins a revision: the instances of its predecessor first, then what came since."""
        reference = self._reference(history)
        fresh = {d.entry.sequence for d in news if isinstance(d, SliceRead | UnusableRead)}
        past = tuple(e for e in history.instances if e.sequence not in fresh)
        history.mailbox = asyncio.Queue()
        # What was announced comes last: the past alone may be all that a step named, and the news be more.
        announced = SeriesAnnounced(history.announced, history.announced_at)
        for delivery in [*history.carried_again(self._calling), *news, announced]:
            history.mailbox.put_nowait(delivery)
        model = self._around.model
        opening = Opening(
            case=SeriesCase(
                SeriesInProgress(history.uid),
                model.clinical_scope,
                decision=history.first_decision(),
                conflicting=history.conflicting,
                heeds_images_in_acquisition=self._around.timers.images_in_acquisition,
            ),
            speaker=Speaker(self._key, model.identity, model.rules, reference),
            past=past,
            over=frozenset(e.association_id for e in past) - self._calling.keys(),
            mailbox=history.mailbox,
        )
        self.progress.series_open += 1
        self._around.emit(SeriesOpened(reference.series_token, reference.revision, reference.scanner))
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
                self.progress.series_open -= 1
                self._open(history, history.ends_and_duplicates(), tasks)
                return
            history.conclusion = await give_up(opening, history.instances, self._around)
        history.crashes = 0
        self.progress.series_concluded += 1
        self.progress.last_outcome_at = self._around.clock.monotonic()
        self.progress.series_open -= 1
        left = history.close()
        if any(isinstance(d, SliceRead | UnusableRead) for d in left):
            self._open(history, left, tasks)
        elif (
            history.reopened_by_words()
            or history.reopened_by_conflict()
            or any(isinstance(d, AssociationReleased) and history.made_whole_by(d) for d in left)
        ):
            self._open(history, history.ends_and_duplicates(), tasks)
        await self._speak_up(tasks, history.uid)

    async def _speak_up(self, tasks: asyncio.TaskGroup, about: SeriesInstanceUID | None = None) -> None:
        """Begins a revision of whatever gave way to a reconstruction that turned out to say nothing."""
        found = await patiently(self._around.emit, self._around.ledger.unspoken, about)
        for uid, chosen in found.items():
            history = self._history(SeriesInstanceUID(uid))
            # A revision of the chosen one that is under way asks again when it ends.
            if history.mailbox is None and self._history(SeriesInstanceUID(chosen)).mailbox is None:
                await self._reopen(history, tasks)

    def _reference(self, history: SeriesHistory) -> SeriesReference:
        assert history.first is not None, "a series has a first instance before it has a journey"
        before = history.conclusion
        revision = before.revision + 1 if before else 1
        predecessor = before.outcome_id if before else None
        return series_reference(self._key, history.first, history.scanner, revision, predecessor)

    def _history(self, uid: SeriesInstanceUID) -> SeriesHistory:
        if uid not in self._series:
            self._series[uid] = SeriesHistory(uid, announced=self._announcements.of(uid))
        return self._series[uid]
