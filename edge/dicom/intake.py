"""What happens to associations and instances once the protocol has spoken; knows no upper layer."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from edge.dicom.admission import Admission, Peer, Refusal, RejectReason
from edge.dicom.file_meta import preamble_and_meta
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
from edge.ports import Clock, Incoming, InstanceStore
from edge.telemetry.events import (
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    Happening,
    InstanceReceived,
    InstanceRefused,
)

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


class Deposit:
    """One instance on its way from the wire into the store; nothing raises, `finish` says what became of it.

    After an error the rest of the data set is dropped, for the peer can be answered only at its end.
    """

    def __init__(self, intake: Intake, session: Session, request: StoreRequest) -> None:
        self._intake = intake
        self._session = session
        self._size_bytes = 0
        self._answer: StoreAnswer | None = None
        self._gathered = bytearray()
        self._incoming: Incoming | None = None
        if not usable_uid(request.sop_instance_uid):
            self._answer = BAD_INSTANCE_UID
            return
        try:
            self._incoming = intake.begun(session, request)
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was, the peer must hear no
            self._answer = answer_to_error(error)

    def write(self, fragment: memoryview) -> None:
        """Into the store, in pieces worth a system call."""
        self._size_bytes += len(fragment)
        if self._incoming is None:
            return
        if self._size_bytes > self._intake.max_instance_bytes:
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
        started, result = self._intake.now(), ""
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
            self._intake.tell(InstanceReceived(result, self._size_bytes, self._intake.now() - started))
        else:
            self._intake.tell(InstanceRefused(f"0x{answer.status:04X}", answer.reason))
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


class Intake:
    """The books of every association; safe from many threads, one per association."""

    def __init__(
        self,
        admission: Admission,
        store: InstanceStore,
        clock: Clock,
        emit: Callable[[Happening], None],
        max_instance_bytes: int,
    ) -> None:
        self.max_instance_bytes = max_instance_bytes
        self.now = clock.monotonic
        self.tell = emit
        self._admission = admission
        self._store = store
        self._sessions: dict[Session, None] = {}
        self._unrecorded_ends: list[tuple[Session, str]] = []
        self._lock = threading.Lock()

    def open_sessions(self) -> list[Session]:
        """Those not yet ended."""
        with self._lock:
            return list(self._sessions)

    def admit(self, *, calling: str, called: str, peer: Peer) -> Session | RejectReason:
        """A session opens the association's books; a reason goes on the wire as it is."""
        titles = calling.strip(" "), called.strip(" ")
        session = Session(AssociationId(secrets.token_hex(8)), *titles, peer.address)
        with self._lock:
            others = [(other.address, other.calling) for other in self._sessions]
            refusal = self._admission.admit(calling=calling, called=called, peer=peer, others=others)
            if refusal is None:
                self._sessions[session] = None
        if refusal is None and not self._recorded(session):
            # An association that the journal cannot record would end unseen, so it must not begin.
            refusal = Refusal(RejectReason.TEMPORARY_CONGESTION)
            with self._lock:
                del self._sessions[session]
        if refusal is None:
            self.tell(AssociationAccepted(session.calling, peer.address))
            return session
        self.refused(refusal.reason, peer, refusal.mismatch or "")
        return refusal.reason

    def refused(self, reason: RejectReason, peer: Peer, mismatch: str = "") -> None:
        """Tells of an association that was rejected, here or by the upper layer itself."""
        self.tell(AssociationRejected(reason.label, peer.address, mismatch))

    def deposit(self, session: Session, request: StoreRequest) -> Deposit:
        """Where the data set of one C-STORE goes."""
        return Deposit(self, session, request)

    def begun(self, session: Session, request: StoreRequest) -> Incoming:
        """Raises what InstanceStore.begin does."""
        return self._store.begin(
            session.association_id,
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax_uid,
            preamble_and_meta(
                sop_class_uid=request.sop_class_uid,
                sop_instance_uid=request.sop_instance_uid,
                transfer_syntax_uid=request.transfer_syntax_uid,
                calling_ae_title=session.calling,
                called_ae_title=session.called,
            ),
        )

    def released(self, session: Session) -> None:
        """The peer said it is done."""
        self._end(session, "")

    def aborted(self, session: Session, reason: str) -> None:
        """It ended without a release; the first end of a session counts."""
        self._end(session, reason)

    def retry_ends(self) -> None:
        """Records the ends that found no room; a release that is missing costs its series the deadline."""
        with self._lock:
            waiting, self._unrecorded_ends = self._unrecorded_ends, []
        for index, (session, reason) in enumerate(waiting):
            if not self._end_recorded(session, reason):
                with self._lock:
                    self._unrecorded_ends[:0] = waiting[index:]
                return

    def _end_recorded(self, session: Session, reason: str) -> bool:
        """Should this process die before it succeeds, the journal's recovery marks it aborted."""
        try:
            if reason:
                self._store.association_aborted(session.association_id, reason)
            else:
                self._store.association_released(session.association_id)
        except (OSError, EdgeError):
            return False
        return True

    def _recorded(self, one: Session) -> bool:
        try:
            self._store.association_opened(one.association_id, one.calling, one.called, one.address)
        except (OSError, EdgeError):
            return False
        return True

    def _end(self, session: Session, reason: str) -> None:
        with self._lock:
            if session not in self._sessions:
                return
            del self._sessions[session]
        if not self._end_recorded(session, reason):
            with self._lock:
                self._unrecorded_ends.append((session, reason))
        self.tell(AssociationEnded("aborted" if reason else "released", reason, session.instances))
