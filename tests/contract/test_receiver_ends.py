"""An end of an association that found no room in the journal is recorded once there is room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge.dicom.receiver import Receiver
from edge.domain.arrival import AssociationAborted, AssociationOpened, AssociationReleased
from edge.domain.identity import AssociationId
from edge.errors import InboxFull
from edge.settings import DicomSettings
from edge.spool.inbox import Inbox
from tests.contract.receiving import RealClock, Running, associate, receiving


class NoRoomForEnds(Inbox):
    """An inbox on a disk that is full each time an association ends, until `room`."""

    room = False
    refused = 0

    def association_released(self, association_id: AssociationId) -> None:
        self._need_room()
        super().association_released(association_id)

    def association_aborted(self, association_id: AssociationId, reason: str) -> None:
        self._need_room()
        super().association_aborted(association_id, reason)

    def _need_room(self) -> None:
        if not self.room:
            type(self).refused += 1
            raise InboxFull


def test_ends_without_room_are_recorded_in_order_as_what_they_were(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    class Disk(NoRoomForEnds):
        pass

    with receiving(tmp_path, free_port(), inbox=Disk) as running:
        associate(running).release()
        aborting = associate(running)
        aborting.abort()
        running.wait_for(AssociationOpened, 2)
        # The watch tries again each second, the first end alone while that one fails.
        while Disk.refused < 3:
            aborting.join(timeout=0.02)
        assert [type(e) for e in running.journal()] == [AssociationOpened] * 2
        Disk.room = True
        (aborted,) = running.wait_for(AssociationAborted)
        entries = running.journal()
    opened = [e.association_id for e in entries[:2]]
    assert [(type(e), e.association_id) for e in entries[2:]] == [
        (AssociationReleased, opened[0]),
        (AssociationAborted, opened[1]),
    ]
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "peer_aborted"


def test_stopping_tries_once_more(tmp_path: Path, free_port: Callable[[], int]) -> None:
    class Disk(NoRoomForEnds):
        pass

    # Nobody serves here, so that the watch cannot have been the one that tried again.
    inbox = Disk(tmp_path, min_free_bytes=0, clock=RealClock())
    receiver = Receiver(DicomSettings(port=free_port()), inbox, RealClock(), lambda _: None)
    receiver.start()
    running = Running(receiver._settings.port, tmp_path, [], receiver)
    association = associate(running)
    association.release()
    while not Disk.refused:
        association.join(timeout=0.02)
    Disk.room = True
    receiver.stop(grace_s=0.1)
    assert [type(e) for e in running.journal()] == [AssociationOpened, AssociationReleased]
    inbox.close()
