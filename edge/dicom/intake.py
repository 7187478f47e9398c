"""What happens to associations and instances once the protocol has spoken; knows no upper layer."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from edge.dicom.admission import Admission, RejectReason
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
from edge.ports import Clock, InstanceStore
from edge.telemetry.events import (
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    Happening,
    InstanceReceived,
    InstanceRefused,
)


@dataclass
class Session:
    """One admitted association; `ending` says why, should it end without a release."""

    association_id: AssociationId
    calling: str
    called: str
    ending: str = "connection_lost"
    instances: int = 0


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request as it came: `data_set` is encoded in `transfer_syntax_uid`."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: memoryview


class Intake:
    """Sessions by a key of the protocol's choice; safe from many threads, one per association."""

    def __init__(
        self,
        admission: Admission,
        store: InstanceStore,
        clock: Clock,
        emit: Callable[[Happening], None],
        max_instance_bytes: int,
    ) -> None:
        self._max_instance_bytes = max_instance_bytes
        self._admission = admission
        self._store = store
        self._clock = clock
        self._emit = emit
        self._sessions: dict[Hashable, Session] = {}
        self._unrecorded_ends: list[tuple[Session, bool]] = []
        self._lock = threading.Lock()

    def open_sessions(self) -> dict[Hashable, Session]:
        """Those admitted and not yet ended."""
        with self._lock:
            return dict(self._sessions)

    def admit(self, key: Hashable, *, calling: str, called: str, peer: str) -> RejectReason | None:
        """None opens the association's books; a reason goes on the wire as it is."""
        session = Session(AssociationId(secrets.token_hex(8)), calling.strip(" "), called.strip(" "))
        with self._lock:
            reason = self._admission.admit(
                calling=calling, called=called, open_associations=len(self._sessions)
            )
            if reason is None:
                self._sessions[key] = session
        if reason is None and not self._recorded(session, peer):
            # An association that the journal cannot record would end unseen, so it must not begin.
            reason = RejectReason.TEMPORARY_CONGESTION
            with self._lock:
                del self._sessions[key]
        if reason is None:
            self._emit(AssociationAccepted(session.calling, peer))
        else:
            self._emit(AssociationRejected(reason.label, peer))
        return reason

    def keep(self, key: Hashable, request: StoreRequest) -> StoreAnswer:
        """Durable, or refused with the reason; never raises, for the peer must get an answer."""
        started = self._clock.monotonic()
        try:
            answer, result = self._stored(self._sessions[key], request)
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was, the peer must hear no
            answer, result = answer_to_error(error), ""
        if result:
            took_s = self._clock.monotonic() - started
            self._emit(InstanceReceived(result, request.data_set.nbytes, took_s))
        else:
            self._emit(InstanceRefused(f"0x{answer.status:04X}", answer.reason))
        return answer

    def released(self, key: Hashable) -> None:
        """The peer said it is done."""
        self._end(key, released=True)

    def ending(self, key: Hashable, reason: str) -> None:
        """Notes why the association is about to break off."""
        session = self.open_sessions().get(key)
        if session is not None:
            session.ending = reason

    def aborted(self, key: Hashable) -> None:
        """It ended without a release, for the reason noted last."""
        self._end(key, released=False)

    def retry_ends(self) -> None:
        """Records the ends that found no room; a release that is missing costs its series the deadline."""
        with self._lock:
            waiting, self._unrecorded_ends = self._unrecorded_ends, []
        for index, (session, released) in enumerate(waiting):
            if not self._end_recorded(session, released):
                with self._lock:
                    self._unrecorded_ends[:0] = waiting[index:]
                return

    def _end_recorded(self, session: Session, released: bool) -> bool:
        """Should this process die before it succeeds, the journal's recovery marks it aborted."""
        try:
            if released:
                self._store.association_released(session.association_id)
            else:
                self._store.association_aborted(session.association_id, session.ending)
        except (OSError, EdgeError):
            return False
        return True

    def _recorded(self, session: Session, peer: str) -> bool:
        try:
            self._store.association_opened(session.association_id, session.calling, session.called, peer)
        except (OSError, EdgeError):
            return False
        return True

    def _stored(self, session: Session, request: StoreRequest) -> tuple[StoreAnswer, str]:
        if not usable_uid(request.sop_instance_uid):
            return BAD_INSTANCE_UID, ""
        if not request.data_set.nbytes:
            return EMPTY_DATA_SET, ""
        if request.data_set.nbytes > self._max_instance_bytes:
            return TOO_LARGE, ""
        head = preamble_and_meta(
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            calling_ae_title=session.calling,
            called_ae_title=session.called,
        )
        incoming = self._store.begin(
            session.association_id,
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax_uid,
            head,
        )
        try:
            incoming.write(request.data_set)
            reception = incoming.commit()
        finally:
            incoming.abandon()
        session.instances += 1
        return answer_to_reception(reception), reception.value

    def _end(self, key: Hashable, *, released: bool) -> None:
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is None:
            return
        if not self._end_recorded(session, released):
            with self._lock:
                self._unrecorded_ends.append((session, released))
        how, reason = ("released", "") if released else ("aborted", session.ending)
        self._emit(AssociationEnded(how, reason, session.instances))
