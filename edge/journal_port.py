"""The receiver's record as the agent reads it; its contract suite is tests/contract/test_journal.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge.domain.announcement import Announcement
from edge.domain.arrival import Arrival, InstanceStored
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID


class Journal(Protocol):
    """The receiver's record; `after` returns at most `limit` entries in sequence order.

    `stored` returns those of `sequences` that are instances, in order; `sequence_of` the one that an
    instance was kept with. Reading on from `replay_from` sees the opening of every association that
    has an entry from `sequence` on, or no end. Looking back at what is numbered below `before`: `story` has
    the instances kept with `sequences`, their repeats and the openings and ends of the associations that
    brought them, in order; `brought_by` all instances of one association; `announcements` the latest word
    of every step and notification that ever named a series, and `word_of` that of one of them.
    """

    def after(self, sequence: int, limit: int) -> Sequence[Arrival]: ...
    def stored(self, sequences: Sequence[int]) -> Sequence[InstanceStored]: ...
    def sequence_of(self, sop_instance_uid: SopInstanceUID) -> int | None: ...
    def replay_from(self, sequence: int) -> int: ...
    def story(self, sequences: Sequence[int], before: int) -> Sequence[Arrival]: ...
    def brought_by(self, association_id: AssociationId, before: int) -> Sequence[InstanceStored]: ...
    def announcements(self, series: SeriesInstanceUID, before: int) -> Sequence[Announcement]: ...
    def word_of(self, uid: str, before: int) -> Announcement | None: ...
