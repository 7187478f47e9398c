"""The services MPPS and IAN: N-CREATE and N-SET, durable before they are answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.dicom.decoding_turns import DecodingTurns
from edge.dicom.dimse.command_set import CommandField, Element, Response
from edge.dicom.dimse.services import LITTLE_AND_BIG_ENDIAN, Request, Service, Session
from edge.dicom.status import NoticeAnswer, NoticeStatus, notice_answer_to_error, usable_uid
from edge.dicom.syntaxes import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from edge.domain.announcement import Announcement
from edge.domain.identity import AssociationId
from edge.ports import Clock
from edge.telemetry.events import AnnouncementKept, AnnouncementRefused, Happening

# Two associations of one scanner that change one step at the same time; more tries would be a fault.
_ATTEMPTS = 3
# Each repeats what those before it named; a scanner that says one for each series or each image has fewer.
_MOST_WORDS = 1000

DUPLICATE = NoticeAnswer(
    NoticeStatus.DUPLICATE_SOP_INSTANCE, "duplicate_sop_instance", "The SOP Instance UID is known"
)
UNKNOWN = NoticeAnswer(NoticeStatus.NO_SUCH_SOP_INSTANCE, "no_such_sop_instance", "No such SOP instance")
BAD_UID = NoticeAnswer(
    NoticeStatus.INVALID_SOP_INSTANCE, "invalid_sop_instance_uid", "SOP Instance UID is not usable"
)
CHANGED_MEANWHILE = NoticeAnswer(
    NoticeStatus.PROCESSING_FAILURE, "changed_meanwhile", "Another association is changing this step"
)

TOO_MANY_WORDS = NoticeAnswer(
    NoticeStatus.RESOURCE_LIMITATION, "too_many_words", "Changed too often, only its end is still taken"
)


class AnnouncementStore(Protocol):
    """Durable when a call returns, safe from many threads; raises InboxFull or OSError as InstanceStore.

    `announce` writes what `announcement` is the latest word of, unless that is no longer `after`: then
    it returns False and changes nothing. `after` None is an object that must not be known yet. `words`
    says how many there are of one object.
    """

    def announce(
        self, association_id: AssociationId, announcement: Announcement, *, after: Announcement | None
    ) -> bool: ...
    def announcement(self, uid: str) -> Announcement | None: ...
    def words(self, uid: str) -> int: ...


class Announcing:
    """Safe from many threads; never raises, for the peer must get an answer."""

    def __init__(self, store: AnnouncementStore, clock: Clock, emit: Callable[[Happening], None]) -> None:
        self._store = store
        self._emit = emit
        self._decoding = DecodingTurns(clock)

    def services(self) -> tuple[Service, ...]:
        """What the receiver answers with it."""
        step = {CommandField.N_CREATE: self.n_create, CommandField.N_SET: self.n_set}
        notification = {CommandField.N_CREATE: self.n_create}
        return (
            Service(MODALITY_PERFORMED_PROCEDURE_STEP, LITTLE_AND_BIG_ENDIAN, step),
            Service(INSTANCE_AVAILABILITY_NOTIFICATION, LITTLE_AND_BIG_ENDIAN, notification),
        )

    def n_create(self, session: Session, request: Request) -> Response:
        return self._answered(self._created, session, request)

    def n_set(self, session: Session, request: Request) -> Response:
        return self._answered(self._changed, session, request)

    def _answered(
        self,
        operation: Callable[[AssociationId, Request], Announcement | NoticeAnswer],
        session: Session,
        request: Request,
    ) -> Response:
        try:
            usable = usable_uid(request.command.sop_instance_uid)
            found = operation(session.association_id, request) if usable else BAD_UID
        except Exception as error:  # noqa: BLE001 - boundary: whatever it was, the peer must hear no
            found = notice_answer_to_error(error)
        if isinstance(found, Announcement):
            self._emit(AnnouncementKept(found.standing, sum(map(len, found.series.values()))))
            return Response(NoticeStatus.SUCCESS)
        self._emit(AnnouncementRefused(f"0x{found.status:04X}", found.reason))
        elements: dict[int, int | str | bytes] = {}
        if found.error_id is not None:
            elements[Element.ERROR_ID] = found.error_id
        return Response(found.status, found.comment, elements=elements)

    def _created(self, association_id: AssociationId, request: Request) -> Announcement | NoticeAnswer:
        # pydicom comes with the first notice and not with the process: a receiver starts without it.
        from edge.dicom import instance_availability, procedure_step  # noqa: PLC0415

        uid, syntax = request.command.sop_instance_uid, request.context.transfer_syntax
        if self._store.announcement(uid) is not None:
            return DUPLICATE
        with self._decoding.turn(len(request.data_set)):
            if request.context.abstract_syntax == MODALITY_PERFORMED_PROCEDURE_STEP:
                made = procedure_step.created(uid, request.data_set, syntax)
            else:
                made = instance_availability.notified(uid, request.data_set, syntax)
        if isinstance(made, Announcement) and not self._store.announce(association_id, made, after=None):
            return DUPLICATE
        return made

    def _changed(self, association_id: AssociationId, request: Request) -> Announcement | NoticeAnswer:
        from edge.dicom import procedure_step  # noqa: PLC0415 - as above

        for _ in range(_ATTEMPTS):
            before = self._store.announcement(request.command.sop_instance_uid)
            if before is None:
                return UNKNOWN
            with self._decoding.turn(len(request.data_set)):
                made = procedure_step.changed(before, request.data_set, request.context.transfer_syntax)
            if isinstance(made, NoticeAnswer) or made == before:
                return made
            if not made.over and self._store.words(made.uid) >= _MOST_WORDS:
                return TOO_MANY_WORDS
            if self._store.announce(association_id, made, after=before):
                return made
        return CHANGED_MEANWHILE
