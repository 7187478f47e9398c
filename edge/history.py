"""What the agent remembers of each series, and how far it is with everything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationReleased,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.identity import SeriesInstanceUID
from edge.domain.series import SliceHeader, UnusableInstance
from edge.ports import Conclusion
from edge.surroundings import Delivery


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

    @property
    def instances(self) -> tuple[InstanceStored, ...]:
        return tuple(e for e in self.entries if isinstance(e, InstanceStored))

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

    def since_conclusion(self, entry: Arrival) -> bool:
        return self.conclusion is None or entry.sequence > self.conclusion.through_sequence


@dataclass
class Progress:
    """What the heartbeat carries: it moves only when work was really done."""

    last_sequence: int = 0
    slices_decoded: int = 0
    series_open: int = 0
    series_concluded: int = 0
    last_outcome_at: float | None = None
