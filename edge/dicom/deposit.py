"""One instance between the wire and the store, and what its sender is answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.dicom.status import (
    BAD_INSTANCE_UID,
    EMPTY_DATA_SET,
    TOO_LARGE,
    StoreAnswer,
    answer_to_error,
    answer_to_reception,
    usable_uid,
)
from edge.domain.identity import AssociationId
from edge.errors import EdgeError
from edge.ports import Incoming
from edge.telemetry.events import Happening, InstanceReceived, InstanceRefused

# Small fragments are copied together first: hashing and writing each PDU of 16 KiB for itself costs more
# than the copy. A PDU of 64 or 128 KiB goes through as it is.
_SMALL_BYTES, _GATHER_BYTES = 48 << 10, 128 << 10


@dataclass(eq=False, slots=True)
class Session:
    """One admitted association; `instances` are those acknowledged on it."""

    association_id: AssociationId
    calling: str
    called: str
    address: str
    instances: int = 0


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request before its data set, which will come encoded in `transfer_syntax_uid`."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Books:
    """Where it is told what became of instances, by which clock, and how large one may be."""

    tell: Callable[[Happening], None]
    now: Callable[[], float]
    max_instance_bytes: int


class Deposit:
    """One instance on its way from the wire into the store; nothing raises, `finish` says what became of it.

    After an error the rest of the data set is dropped, for the peer can be answered only at its end.
    """

    def __init__(
        self, session: Session, request: StoreRequest, begin: Callable[[], Incoming], books: Books
    ) -> None:
        self._books = books
        self._session = session
        self._size_bytes = 0
        self._answer: StoreAnswer | None = None
        self._gathered = bytearray()
        self._incoming: Incoming | None = None
        if not usable_uid(request.sop_instance_uid):
            self._answer = BAD_INSTANCE_UID
            return
        try:
            self._incoming = begin()
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was, the peer must hear no
            self._answer = answer_to_error(error)

    def write(self, fragment: memoryview) -> None:
        """Into the store, in pieces worth a system call."""
        self._size_bytes += len(fragment)
        if self._incoming is None:
            return
        if self._size_bytes > self._books.max_instance_bytes:
            self._refuse(TOO_LARGE)
            return
        try:
            if len(fragment) < _SMALL_BYTES:
                self._gathered += fragment
                if len(self._gathered) < _GATHER_BYTES:
                    return
            self._flush(self._incoming)
            if len(fragment) >= _SMALL_BYTES:
                self._incoming.write(fragment)
        except Exception as error:  # noqa: BLE001 - boundary: the peer must get an answer
            self._refuse(answer_to_error(error))

    def finish(self) -> StoreAnswer:
        """The data set is whole: durable, or refused with the reason."""
        started, result = self._books.now(), ""
        if self._incoming is not None and not self._size_bytes:
            self._refuse(EMPTY_DATA_SET)
        if self._incoming is not None:
            try:
                self._flush(self._incoming)
                reception = self._incoming.commit()
                self._answer, result = answer_to_reception(reception), reception.value
                self._session.instances += 1
            except Exception as error:  # noqa: BLE001 - boundary: the peer must get an answer
                self._refuse(answer_to_error(error))
        answer = self._answer or EMPTY_DATA_SET
        if result:
            self._books.tell(InstanceReceived(result, self._size_bytes, self._books.now() - started))
        else:
            self._books.tell(InstanceRefused(f"0x{answer.status:04X}", answer.reason))
        return answer

    def abandon(self) -> None:
        """The rest will not come; nothing of it is kept."""
        if self._incoming is not None:
            with suppress(OSError, EdgeError):  # recovery removes what could not be removed now
                self._incoming.abandon()
            self._incoming = None

    def _flush(self, incoming: Incoming) -> None:
        if self._gathered:
            incoming.write(memoryview(self._gathered))
            self._gathered = bytearray()

    def _refuse(self, answer: StoreAnswer) -> None:
        self.abandon()
        self._answer = answer
