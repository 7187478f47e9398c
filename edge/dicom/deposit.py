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
        self._incoming: Incoming | None = None
        if not usable_uid(request.sop_instance_uid):
            self._answer = BAD_INSTANCE_UID
            return
        try:
            self._incoming = begin()
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was, the peer must hear no
            self._answer = answer_to_error(error)

    def write(self, *fragments: memoryview) -> None:
        """Into the store; what came together goes there in one call of the system."""
        self._size_bytes += sum(map(len, fragments))
        if self._incoming is None:
            return
        if self._size_bytes > self._books.max_instance_bytes:
            self._refuse(TOO_LARGE)
            return
        try:
            self._incoming.write(*fragments)
        except Exception as error:  # noqa: BLE001 - boundary: the peer must get an answer
            self._refuse(answer_to_error(error))

    def finish(self) -> StoreAnswer:
        """The data set is whole: durable, or refused with the reason."""
        started, result = self._books.now(), ""
        if self._incoming is not None and not self._size_bytes:
            self._refuse(EMPTY_DATA_SET)
        if self._incoming is not None:
            try:
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

    def _refuse(self, answer: StoreAnswer) -> None:
        self.abandon()
        self._answer = answer
