"""What the receiver wrote into its journal, in order; the only way anything reaches the agent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.domain.announcement import Announcement
from edge.domain.identity import AssociationId, SopInstanceUID


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One durable Part 10 file of the inbox; `path` is relative to the state folder.

    `digest` is of its data set; the length tells the algorithm. `frame` asks for one frame, counted from 1;
    None is all of it.
    """

    sop_instance_uid: SopInstanceUID
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    digest: str
    size_bytes: int
    frame: int | None = None


class Reception(StrEnum):
    """What became of an offered instance; after CONFLICT the first is still the one kept."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """`sequence` grows without reuse; `at` is UTC seconds since the epoch by the receiver's clock."""

    sequence: int
    association_id: AssociationId
    at: float


@dataclass(frozen=True, slots=True)
class AssociationOpened(JournalEntry):
    """A peer was admitted (PS3.8 A-ASSOCIATE)."""

    calling_ae_title: str
    called_ae_title: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class InstanceStored(JournalEntry):
    """New bytes are durable."""

    instance: StoredInstance


@dataclass(frozen=True, slots=True)
class DuplicateReceived(JournalEntry):
    """The same bytes came again; `instance` is the one kept from the first time."""

    instance: StoredInstance


@dataclass(frozen=True, slots=True)
class ConflictReceived(JournalEntry):
    """Other bytes came under a known SOP Instance UID; `instance` is the first, which is kept."""

    instance: StoredInstance
    refused_digest: str


@dataclass(frozen=True, slots=True)
class AssociationReleased(JournalEntry):
    """The peer said it is done (PS3.8 A-RELEASE)."""


@dataclass(frozen=True, slots=True)
class AssociationAborted(JournalEntry):
    """The association ended without release; `reason` names who ended it and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class AnnouncementReceived(JournalEntry):
    """A performed procedure step or an availability notification was made or changed."""

    announcement: Announcement


Arrival = (
    AssociationOpened
    | InstanceStored
    | DuplicateReceived
    | ConflictReceived
    | AssociationReleased
    | AssociationAborted
    | AnnouncementReceived
)
