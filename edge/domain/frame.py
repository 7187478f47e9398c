"""Frames of multi-frame instances (PS3.3 C.7.6.16): what they go by, and whether all of them are there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.domain.identity import SopInstanceUID

_FRAMES = "/frames/"


@dataclass(frozen=True, slots=True)
class Frames:
    """An instance that is `number` slices, each to be read by itself."""

    number: int


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Part `number` of `total` instances that are one image (PS3.3 C.7.6.16.2.2.4); `total` 0 is unknown."""

    uid: str
    number: int
    total: int


class Framed(Protocol):
    """What is asked of a slice here; `number_of_frames` is 0 unless it is a frame."""

    @property
    def sop_instance_uid(self) -> SopInstanceUID: ...
    @property
    def number_of_frames(self) -> int: ...
    @property
    def concatenation(self) -> Concatenation | None: ...


def frame_name(instance: SopInstanceUID, frame: int) -> SopInstanceUID:
    """What a frame goes by where a slice goes by its SOP Instance UID; frames count from 1.

    Written as DICOMweb does (PS3.18 8.2), so that it is a name of its own and still leads to the instance.
    """
    return SopInstanceUID(f"{instance}{_FRAMES}{frame}")


def instance_of(name: SopInstanceUID) -> SopInstanceUID:
    """The instance that a slice is stored in: its own, or the one that it is a frame of."""
    return SopInstanceUID(name.partition(_FRAMES)[0])


def frame_of(name: SopInstanceUID) -> int | None:
    """The number of a frame, None for a slice that is an instance of its own."""
    number = name.partition(_FRAMES)[2]
    return int(number) if number else None


def frames_missing(slices: Sequence[Framed], set_aside: Collection[SopInstanceUID]) -> str:
    """What of the instances begun is not here yet, in words; empty when nothing is.

    Frames that were set aside are here. A concatenation that does not say its total ends with any part.
    """
    framed = [s for s in slices if s.number_of_frames]
    if not framed:
        return ""
    arrived = Counter(instance_of(s.sop_instance_uid) for s in framed)
    arrived.update(instance_of(name) for name in set_aside)
    number = {instance_of(s.sop_instance_uid): s.number_of_frames for s in framed}
    due = sum(max(0, count - arrived[uid]) for uid, count in number.items())
    parts: defaultdict[str, set[int]] = defaultdict(set)
    totals: Counter[str] = Counter()
    for c in (s.concatenation for s in framed):
        if c is not None:
            parts[c.uid].add(c.number)
            totals[c.uid] = max(totals[c.uid], c.total, c.number)
    absent = sum(totals[uid] - len(numbers) for uid, numbers in parts.items())
    words = [f"{due} frames"] * bool(due) + [f"{absent} parts of a concatenation"] * bool(absent)
    return ", ".join(words)
