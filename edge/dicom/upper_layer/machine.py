"""The actions of PS3.8 tables 9-6 to 9-9, and the one thing that takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer import pdu
from edge.dicom.upper_layer.associate import PROTOCOL_VERSION, AssociateAccept, AssociateRequest
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, InvalidPdu, NotNow, RejectReason
from edge.dicom.upper_layer.table import TRANSITIONS, Event, State

_Action = Callable[["Machine", Any], None]


class Machine:
    """State, timer and what has to be told and sent; `turn` is the only way to change them.

    The methods named ae_1 to aa_8 are the actions of those names.
    """

    def __init__(self) -> None:
        self.state = State.IDLE
        self.artim_running = False
        self.artim_starts = 0
        self.should_close = False
        self.peer_max_pdu_bytes = 0
        self.request: AssociateRequest | None = None
        self.indications: list[told.Indication] = []
        self.to_send: list[bytes] = []

    def turn(self, event: Event, content: Any = None) -> None:
        """Takes the action of the cell; raises NotNow, and changes nothing, where the cell is empty."""
        action = _ROWS[event][self.state]
        if action is None:
            raise NotNow(f"{event.name} in {self.state.name}")
        action(self, content)

    def ae_1(self, content: AssociateRequest) -> None:
        self.request = content
        self.state = State.AWAITING_TRANSPORT

    def ae_2(self, _: object) -> None:
        assert self.request is not None, "AE-1 has set it"
        self.to_send.append(self.request.encode())
        self.state = State.AWAITING_ASSOCIATE_AC

    def ae_3(self, content: AssociateAccept) -> None:
        self.peer_max_pdu_bytes = content.user.max_pdu_bytes
        self.indications.append(told.AssociationConfirmed(content))
        self.state = State.DATA_TRANSFER

    def ae_4(self, content: tuple[int, int, int]) -> None:
        self.indications.append(told.AssociationRejected(content))
        self._close()

    def ae_5(self, _: object) -> None:
        self._start_artim()
        self.state = State.AWAITING_ASSOCIATE_RQ

    def ae_6(self, content: AssociateRequest) -> None:
        self.artim_running = False
        if content.protocol_version & PROTOCOL_VERSION:
            self.peer_max_pdu_bytes = content.user.max_pdu_bytes
            self.indications.append(told.AssociationRequested(content))
            self.state = State.AWAITING_ASSOCIATE_RESPONSE
            return
        reason = RejectReason.PROTOCOL_VERSION_NOT_SUPPORTED
        self.indications.append(told.AssociationRefused(content, reason))
        self.ae_8(reason)

    def ae_7(self, content: AssociateAccept) -> None:
        self.to_send.append(content.encode())
        self.state = State.DATA_TRANSFER

    def ae_8(self, content: RejectReason) -> None:
        self.to_send.append(pdu.reject(content))
        self._await_close()

    def dt_1(self, content: bytes) -> None:
        self.to_send.append(content)

    def dt_2(self, content: list[pdu.PresentationDataValue]) -> None:
        self.indications.append(told.DataReceived(content))

    def ar_1(self, _: object) -> None:
        self.to_send.append(pdu.RELEASE_RQ)
        self.state = State.AWAITING_RELEASE_RP

    def ar_2(self, _: object) -> None:
        self.indications.append(told.ReleaseRequested())
        self.state = State.AWAITING_RELEASE_RESPONSE

    def ar_3(self, _: object) -> None:
        self.indications.append(told.ReleaseConfirmed())
        self._close()

    def ar_4(self, _: object) -> None:
        self.to_send.append(pdu.RELEASE_RP)
        self._await_close()

    # The same as others, under the names the standard gives them for other states.
    ar_6, ar_7 = dt_2, dt_1

    def ar_8(self, _: object) -> None:
        self.indications.append(told.ReleaseRequested())
        self.state = (
            State.COLLISION_ACCEPTOR_AWAITING_RP
            if self.request is None
            else State.COLLISION_REQUESTOR_AWAITING_RESPONSE
        )

    def ar_9(self, _: object) -> None:
        self.to_send.append(pdu.RELEASE_RP)
        self.state = State.COLLISION_REQUESTOR_AWAITING_RP

    def ar_10(self, _: object) -> None:
        self.indications.append(told.ReleaseConfirmed())
        self.state = State.COLLISION_ACCEPTOR_AWAITING_RESPONSE

    def aa_1(self, content: object) -> None:
        """The user's own abort, or an answer to what came instead of a first A-ASSOCIATE-RQ."""
        wish = content if isinstance(content, told.AbortWish) else told.AbortWish()
        self.to_send.append(pdu.abort(wish.source, wish.reason))
        if self.state is State.AWAITING_ASSOCIATE_RQ:
            reason, detail = _fault(content)
            self.indications.append(told.Aborted(False, AbortSource.SERVICE_USER, reason, detail))
        self._await_close()

    def aa_2(self, _: object) -> None:
        self._close()

    ar_5 = aa_5 = aa_2

    def aa_3(self, content: tuple[AbortSource, AbortReason]) -> None:
        self.indications.append(told.Aborted(True, *content))
        self._close()

    def aa_4(self, _: object) -> None:
        self.indications.append(told.ConnectionLost())
        self._close()

    def aa_6(self, _: object) -> None:
        """What comes after the last word is ignored."""

    def aa_7(self, content: object) -> None:
        reason, _ = _fault(content)
        self.to_send.append(pdu.abort(AbortSource.SERVICE_PROVIDER, reason))

    def aa_8(self, content: object) -> None:
        reason, detail = _fault(content)
        self.to_send.append(pdu.abort(AbortSource.SERVICE_PROVIDER, reason))
        self.indications.append(told.Aborted(False, AbortSource.SERVICE_PROVIDER, reason, detail))
        self._await_close()

    def _start_artim(self) -> None:
        """Or start it afresh, where it is running."""
        self.artim_running = True
        self.artim_starts += 1

    def _await_close(self) -> None:
        self._start_artim()
        self.state = State.AWAITING_CLOSE

    def _close(self) -> None:
        self.artim_running = False
        self.should_close = True
        self.state = State.IDLE


def _fault(content: object) -> tuple[AbortReason, str]:
    """A PDU that is sound and breaks off an association all the same came in the wrong state."""
    if isinstance(content, InvalidPdu):
        return content.reason, content.detail
    return AbortReason.UNEXPECTED_PDU, "unexpected_pdu"


def _action(event: Event, state: State) -> _Action | None:
    name = TRANSITIONS.get((event, state))
    return None if name is None else getattr(Machine, name.replace("-", "_").lower())


# By number, because this is looked at for every PDU; number 0 is neither an event nor a state.
_ROWS: list[list[_Action | None]] = [
    [],
    *([None, *(_action(event, state) for state in State)] for event in Event),
]
