"""What a journey is given: its surroundings, how it opens, and what is delivered to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge.analysis import DecodedSlices
from edge.domain.arrival import (
    AssociationAborted,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.case import SeriesCase
from edge.domain.evidence import SliceEvidence
from edge.domain.identity import AssociationId
from edge.domain.series import UnusableInstance
from edge.domain.statement import Speaker
from edge.imaging.volume import Slice
from edge.models.contract import ClinicalModel
from edge.patience import patiently
from edge.ports import Clock, InferenceQueue, Ledger, Messages, PixelSource
from edge.settings import CompletenessSettings
from edge.telemetry.events import Happening


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


Delivery = (
    SliceRead
    | UnusableRead
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


async def read(entry: InstanceStored, around: Surroundings) -> SliceRead | UnusableRead:
    """Reads one instance in a worker thread, so that decoding one slice never holds up another."""
    content = await patiently(around.emit, around.pixels.read, entry.instance)
    return SliceRead(entry, content) if isinstance(content, Slice) else UnusableRead(entry, content)
