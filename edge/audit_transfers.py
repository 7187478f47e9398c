"""What each association brought, told to the audit repository when it ends: one message for each study."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

from edge.domain.arrival import (
    Arrival,
    AssociationAborted,
    AssociationOpened,
    AssociationReleased,
    ConflictReceived,
    DuplicateReceived,
    InstanceStored,
)
from edge.domain.audit import AuditRecord, Indicator, InstancesTransferred
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.domain.series import SliceHeader, UnusableInstance
from edge.intake import Taken
from edge.journal_port import Journal
from edge.spool.audit_spool import AuditMark
from edge.surroundings import SliceRead, UnusableRead

# The first of each of the latest series that were read: a repeat of an older one is of an unknown study.
MOST_SERIES = 2000
_BATCH = 256
_Brought = InstanceStored | DuplicateReceived | ConflictReceived


class TransferWatch:
    """Looks on as the journal is routed; each end of an association is told once, also after a restart.

    `series_of` finds the series of an instance that came before; `record` is given who says what to tell,
    on another thread, and whom to call when that is durable.
    """

    def __init__(
        self,
        series_of: Callable[[SopInstanceUID], str | None],
        record: Callable[[Callable[[], Sequence[AuditRecord]], Callable[[], None]], None],
        mark: AuditMark,
    ) -> None:
        self._series_of, self._record, self._mark = series_of, record, mark
        self._opened: dict[AssociationId, AssociationOpened] = {}
        self._brought = defaultdict[AssociationId, dict[SopInstanceUID, _Brought]](dict)
        self._firsts: dict[str, SliceHeader | UnusableInstance] = {}

    def catch_up(self, journal: Journal, begin: int) -> None:
        """Tells of what ended before entry `begin`, where the agent takes up the journal, and was not told.

        Nobody reads those instances any more, so their study is unknown here.
        """
        sequence = journal.replay_from(self._mark.reached + 1) - 1
        while entries := journal.after(sequence, _BATCH):
            for entry in entries:
                if entry.sequence >= begin:
                    return
                self._routed(entry)
                sequence = entry.sequence

    async def over(self, taken: AsyncIterator[Taken]) -> AsyncIterator[Taken]:
        """The same, one after the other; what is told of an item is told after it was routed."""
        async for item in taken:
            yield item
            if isinstance(item, SliceRead | UnusableRead):
                first = item.content.header if isinstance(item, SliceRead) else item.content
                self._firsts.setdefault(first.series_instance_uid, first)
                if len(self._firsts) > MOST_SERIES:
                    del self._firsts[next(iter(self._firsts))]
                self._routed(item.entry)
            else:
                self._routed(item)

    def _routed(self, entry: Arrival) -> None:
        match entry:
            case AssociationOpened():
                self._opened[entry.association_id] = entry
            case InstanceStored() | DuplicateReceived() | ConflictReceived():
                self._brought[entry.association_id].setdefault(entry.instance.sop_instance_uid, entry)
            case AssociationReleased() | AssociationAborted():
                opened = self._opened.pop(entry.association_id, None)
                brought = self._brought.pop(entry.association_id, {})
                if entry.sequence > self._mark.reached and brought:
                    end = entry
                    self._record(
                        lambda: self._told(end, opened, brought), lambda: self._mark.note(end.sequence)
                    )
            case _:
                pass

    def _told(
        self,
        end: AssociationReleased | AssociationAborted,
        opened: AssociationOpened | None,
        brought: dict[SopInstanceUID, _Brought],
    ) -> list[AuditRecord]:
        """What was refused is told apart from what was taken (PS3.15 A.5.2, EventOutcomeIndicator)."""
        groups = defaultdict[tuple[str, bool], list[_Brought]](list)
        firsts: dict[str, SliceHeader | UnusableInstance | None] = {}
        for uid, entry in brought.items():
            first = self._firsts.get(self._series_of(uid) or "")
            study = "" if first is None else first.study_instance_uid
            firsts.setdefault(study, first)
            groups[study, isinstance(entry, ConflictReceived)].append(entry)
        return [
            self._message(end, opened, firsts[study], entries, refused=refused)
            for (study, refused), entries in groups.items()
        ]

    def _message(
        self,
        end: AssociationReleased | AssociationAborted,
        opened: AssociationOpened | None,
        first: SliceHeader | UnusableInstance | None,
        entries: Sequence[_Brought],
        *,
        refused: bool,
    ) -> InstancesTransferred:
        description = "other bytes under a known SOP Instance UID were refused" if refused else ""
        if isinstance(end, AssociationAborted):
            description = description or f"the association was aborted: {end.reason}"
        header = first if isinstance(first, SliceHeader) else None
        return InstancesTransferred(
            at=datetime.fromtimestamp(end.at, UTC),
            calling_ae_title=opened.calling_ae_title if opened else "",
            called_ae_title=opened.called_ae_title if opened else "",
            peer_address=opened.peer_address if opened else "",
            known=all(isinstance(e, DuplicateReceived | ConflictReceived) for e in entries),
            indicator=Indicator.MINOR if description else Indicator.SUCCESS,
            description=description,
            study_instance_uid="" if first is None else first.study_instance_uid,
            patient_id=header.patient_id if header else "",
            accession_number=header.accession_number if header else "",
            instances_by_class=Counter(e.instance.sop_class_uid for e in entries),
        )
