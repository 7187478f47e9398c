"""What happens to associations and instances once the protocol has spoken; knows no upper layer."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from edge.dicom.admission import Admission, Peer, Refusal, RejectReason
from edge.dicom.deposit import Books, Deposit, Session, StoreRequest
from edge.dicom.file_meta import preamble_and_meta
from edge.domain.identity import AssociationId
from edge.errors import EdgeError
from edge.ports import Clock, Incoming, InstanceStore
from edge.telemetry.events import (
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    Happening,
)


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
        self._books = Books(emit, clock.monotonic, max_instance_bytes)
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
        return Deposit(session, request, lambda: self._begun(session, request), self._books)

    def _begun(self, session: Session, request: StoreRequest) -> Incoming:
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
