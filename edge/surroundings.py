"""What a journey is given: its surroundings, how it opens, and what is delivered to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from edge.analysis import Backlog, DecodedSlices
from edge.domain.announcement import Announced
from edge.domain.arrival import (
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
    StoredInstance,
)
from edge.domain.case import SeriesCase
from edge.domain.evidence import SliceEvidence
from edge.domain.frame import Frames
from edge.domain.identity import AssociationId, StudyInstanceUID, made_up_series
from edge.domain.series import UnusableInstance
from edge.domain.statement import Speaker
from edge.domain.unusable import UnusableReason
from edge.imaging.volume import Content, Slice
from edge.models.contract import ClinicalModel
from edge.patience import patiently_for
from edge.ports import Clock, InferenceQueue, Ledger, Messages, PixelSource
from edge.reconstructions import Reconstructions
from edge.settings import CompletenessSettings
from edge.telemetry.events import Happening

# With growing pauses about three seconds: a box that cannot read a file for longer is sick.
READ_ATTEMPTS = 5
# Frames of one instance decoded at the same time.
FRAMES_AHEAD = 4


@dataclass(frozen=True, slots=True)
class SliceRead:
    """A stored instance that turned out to be a slice."""

    entry: InstanceStored
    content: Slice


@dataclass(frozen=True, slots=True)
class UnusableRead:
    """A stored instance that is no slice, or none any more."""

    entry: InstanceStored
    content: UnusableInstance


@dataclass(frozen=True, slots=True)
class FramesFound:
    """A stored instance that is many slices, to be read one by one."""

    entry: InstanceStored
    number: int

    @property
    def frames(self) -> Iterator[InstanceStored]:
        """The same journal entry for each frame, which its `instance` names."""
        for number in range(1, self.number + 1):
            yield replace(self.entry, instance=replace(self.entry.instance, frame=number))


Found = SliceRead | UnusableRead | FramesFound


@dataclass(frozen=True, slots=True)
class SeriesAnnounced:
    """All that was announced of the series by now, the last of it by journal entry `sequence`."""

    announced: Announced
    sequence: int


Delivery = (
    SliceRead
    | UnusableRead
    | SeriesAnnounced
    | DuplicateReceived
    | ConflictReceived
    | AssociationReleased
    | AssociationAborted
    | SliceEvidence
)


@dataclass
class Reading:
    """How far the journal was read: `at_head` while the agent knows of everything the receiver wrote."""

    at_head: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every journey shares; `deadline_s` bounds one attempt of one inference request."""

    model: ClinicalModel
    pixels: PixelSource
    inference: InferenceQueue
    ledger: Ledger
    messages: Messages
    clock: Clock
    emit: Callable[[Happening], None]
    timers: CompletenessSettings
    deadline_s: float
    decoded: DecodedSlices
    reading: Reading
    reconstructions: Reconstructions
    backlog: Backlog = field(default_factory=Backlog)


@dataclass(frozen=True, slots=True)
class Opening:
    """A series revision that begins: `past` is what came before, `mailbox` brings what happens now.

    `over` are the associations of the past that have ended.
    """

    case: SeriesCase
    speaker: Speaker
    past: tuple[InstanceStored, ...]
    over: frozenset[AssociationId]
    mailbox: asyncio.Queue[Delivery]


async def read(entry: InstanceStored, around: Surroundings) -> AsyncGenerator[SliceRead | UnusableRead, None]:
    """An instance as what it is, or each of its frames in stored order."""
    found = await read_one(entry, around)
    async for one in in_turn(found, partial(read_one, around=around)):
        yield one


async def read_one(entry: InstanceStored, around: Surroundings) -> Found:
    """Reads an instance or a frame in a worker thread, so that decoding one never holds up another."""
    content = await pixels_of(entry.instance, around)
    if isinstance(content, Frames):
        return FramesFound(entry, content.number)
    return SliceRead(entry, content) if isinstance(content, Slice) else UnusableRead(entry, content)


async def in_turn(
    found: Found, read_frame: Callable[[InstanceStored], Coroutine[None, None, Found]]
) -> AsyncGenerator[SliceRead | UnusableRead, None]:
    """What was found, frame by frame and a few read ahead: the decoded volume is never held here."""
    if not isinstance(found, FramesFound):
        yield found
        return
    entries = iter(found.frames)
    under_way = deque(asyncio.create_task(read_frame(e)) for e in islice(entries, FRAMES_AHEAD))
    while under_way:
        one = await under_way.popleft()
        assert not isinstance(one, FramesFound), "a frame has no frames"
        under_way.extend(asyncio.create_task(read_frame(e)) for e in islice(entries, 1))
        yield one


async def pixels_of(instance: StoredInstance, around: Surroundings) -> Content:
    """What the reader makes of it; a file that stays out of reach must not hold up all that came after."""
    content = await patiently_for(READ_ATTEMPTS, around.emit, around.pixels.read, instance)
    if isinstance(content, Content):
        return content
    uid = instance.sop_instance_uid
    names = StudyInstanceUID(""), made_up_series(uid), uid
    return UnusableInstance(*names, UnusableReason.INBOX_UNREADABLE, True, series_known=False)
