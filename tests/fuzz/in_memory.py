"""A connection and a store without a system below them, for one conversation of the receiver."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

from edge.dicom.admission import Peer
from edge.domain.arrival import Reception
from edge.domain.identity import AssociationId


class Standstill:
    """ports.Clock of a moment: nobody is ever late."""

    def monotonic(self) -> float:
        return 0.0

    def utc(self) -> datetime:
        return datetime(2000, 1, 1, tzinfo=UTC)


class Fragments:
    """edge.dicom.connection.Connection to a peer that says `stream` and hangs up; whole, or cut by chance."""

    def __init__(self, stream: bytes, chance: random.Random | None) -> None:
        self._left = memoryview(stream)
        self._chance = chance
        self.said = bytearray()
        self.peer = Peer("127.0.0.1")
        self.heard_of = self.closed = self._silent = False

    def shake_hands(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def receive(self, space: memoryview, timeout_s: float) -> int:
        assert timeout_s > 0
        assert len(space) > 0, "nothing could ever be received again"
        most = len(space) if self._chance is None else self._chance.choice((1, 2, 5, 11, 100, 5000))
        part = self._left[: min(most, len(space))]
        space[: len(part)] = part
        self._left = self._left[len(part) :]
        return len(part)

    def send(self, content: bytes, timeout_s: float) -> None:
        assert timeout_s > 0
        if self._silent:
            raise BrokenPipeError
        self.said += content

    def say_no_more(self) -> None:
        self._silent = True

    def close(self) -> None:
        self.closed = True


class Store:
    """ports.InstanceStore that keeps data sets by UID, and counts what was begun."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.open_ones = 0
        self._open: set[AssociationId] = set()

    def association_opened(self, association_id: AssociationId, *_: str) -> None:
        self._open.add(association_id)

    def association_released(self, association_id: AssociationId) -> None:
        self._open.remove(association_id)

    def association_aborted(self, association_id: AssociationId, reason: str) -> None:
        assert reason
        self._open.remove(association_id)

    def begin(self, association_id: AssociationId, _class: str, uid: str, *_: object) -> Arriving:
        assert association_id in self._open
        self.open_ones += 1
        return Arriving(lambda content: self._commit(uid, content), self._end)

    def _commit(self, uid: str, content: bytes) -> Reception:
        first = self.kept.setdefault(uid, content)
        return Reception.STORED if first is content else Reception.DUPLICATE

    def _end(self) -> None:
        self.open_ones -= 1


class Arriving:
    """ports.Incoming; it ends once, by one of the two."""

    def __init__(self, commit: Callable[[bytes], Reception], end: Callable[[], None]) -> None:
        self._commit, self._end = commit, end
        self._content: bytearray | None = bytearray()

    def write(self, *fragments: bytes | memoryview) -> None:
        assert self._content is not None
        for fragment in fragments:
            self._content += fragment

    def commit(self) -> Reception:
        assert self._content is not None
        content, self._content = bytes(self._content), None
        self._end()
        return self._commit(content)

    def abandon(self) -> None:
        if self._content is not None:
            self._content = None
            self._end()
