"""PS3.8 table 9-10, every event in every state, against the copy of it that pynetdicom keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pynetdicom import fsm

from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.associate import AssociateAccept, AssociateRequest
from edge.dicom.upper_layer.machine import Machine
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource, InvalidPdu, NotNow, RejectReason
from edge.dicom.upper_layer.table import TRANSITIONS, Event, State

CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2"
REQUEST = AssociateRequest("EDGE", "CT_1", ((1, CT, (SYNTAX,)),))
ACCEPT = AssociateAccept("EDGE", "CT_1", ((1, 0, SYNTAX),))
CONTENT = {
    Event.ASSOCIATE_REQUEST: REQUEST,
    Event.ASSOCIATE_RQ_PDU: REQUEST,
    Event.ASSOCIATE_AC_PDU: ACCEPT,
    Event.ASSOCIATE_ACCEPTED: ACCEPT,
    Event.ASSOCIATE_RJ_PDU: (1, 1, 1),
    Event.ASSOCIATE_REJECTED: RejectReason.LOCAL_LIMIT_EXCEEDED,
    Event.DATA_REQUEST: b"\x04",
    Event.DATA_PDU: [],
    Event.ABORT_REQUEST: told.AbortWish(),
    Event.ABORT_PDU: (AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED),
    Event.INVALID_PDU: InvalidPdu(AbortReason.UNRECOGNIZED_PDU, "unrecognized_pdu"),
}
# PS3.8 tables 9-6 to 9-9: first byte of what is sent, indication, next state, ARTIM afterwards. A state of
# None is the one it was, and ARTIM None is as it was.
RJ, AC, RQ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = 3, 2, 1, 4, 5, 6, 7
EFFECTS: dict[str, tuple[int | None, type | None, int | None, bool | None]] = {
    "AE-1": (None, None, 4, None),
    "AE-2": (RQ, None, 5, None),
    "AE-3": (None, told.AssociationConfirmed, 6, None),
    "AE-4": (None, told.AssociationRejected, 1, None),
    "AE-5": (None, None, 2, True),
    "AE-6": (None, told.AssociationRequested, 3, False),
    "AE-7": (AC, None, 6, None),
    "AE-8": (RJ, None, 13, True),
    "DT-1": (DATA, None, 6, None),
    "DT-2": (None, told.DataReceived, 6, None),
    "AR-1": (RELEASE_RQ, None, 7, None),
    "AR-2": (None, told.ReleaseRequested, 8, None),
    "AR-3": (None, told.ReleaseConfirmed, 1, None),
    "AR-4": (RELEASE_RP, None, 13, True),
    "AR-5": (None, None, 1, False),
    "AR-6": (None, told.DataReceived, 7, None),
    "AR-7": (DATA, None, 8, None),
    "AR-9": (RELEASE_RP, None, 11, None),
    "AR-10": (None, told.ReleaseConfirmed, 12, None),
    "AA-1": (ABORT, None, 13, True),
    "AA-2": (None, None, 1, False),
    "AA-3": (None, told.Aborted, 1, None),
    "AA-4": (None, told.ConnectionLost, 1, None),
    "AA-5": (None, None, 1, False),
    "AA-6": (None, None, 13, None),
    "AA-7": (ABORT, None, 13, None),
    "AA-8": (ABORT, told.Aborted, 13, True),
}


def machine_in(state: State) -> Machine:
    machine = Machine()
    machine.state = state
    machine.artim_running = state in {State.AWAITING_ASSOCIATE_RQ, State.AWAITING_CLOSE}
    if state is State.AWAITING_TRANSPORT:
        machine.request = REQUEST
    return machine


def test_the_table_is_the_one_of_the_standard() -> None:
    ours = {(f"Evt{event}", f"Sta{state}"): action for (event, state), action in TRANSITIONS.items()}
    assert ours == fsm.TRANSITION_TABLE


@pytest.mark.parametrize("state", State, ids=lambda s: f"Sta{s}")
@pytest.mark.parametrize("event", Event, ids=lambda e: f"Evt{e}")
def test_every_event_in_every_state(event: Event, state: State) -> None:
    machine = machine_in(state)
    before = machine.artim_running
    action = TRANSITIONS.get((event, state))
    if action is None:
        with pytest.raises(NotNow, match=f"{event.name} in {state.name}"):
            machine.turn(event, CONTENT.get(event))
        assert (machine.state, machine.to_send, machine.indications) == (state, [], [])
        return
    machine.turn(event, CONTENT.get(event))
    sent = machine.to_send[0][0] if machine.to_send else None
    told_of = type(machine.indications[0]) if machine.indications else None
    if action == "AR-8":
        assert (sent, told_of, machine.state) == (None, told.ReleaseRequested, 10)
        return
    expected_sent, expected_indication, next_state, artim = EFFECTS[action]
    if action == "AA-1" and state is State.AWAITING_ASSOCIATE_RQ:
        # Nobody was told of an association yet; that a stranger was turned away still is a happening.
        expected_indication = told.Aborted
    assert (sent, told_of, machine.state) == (expected_sent, expected_indication, next_state)
    if next_state != 1:
        assert machine.artim_running is (before if artim is None else artim)
    assert machine.should_close is (next_state == 1)


def test_a_release_collision_depends_on_who_began() -> None:
    machine = machine_in(State.AWAITING_RELEASE_RP)
    machine.request = REQUEST
    machine.turn(Event.RELEASE_RQ_PDU)
    assert machine.state == 9


def test_a_protocol_version_without_bit_0_is_rejected_by_the_provider() -> None:
    machine = machine_in(State.AWAITING_ASSOCIATE_RQ)
    machine.turn(Event.ASSOCIATE_RQ_PDU, replace(REQUEST, protocol_version=2))
    assert machine.to_send == [bytes.fromhex("03000000000400010202")]
    assert (machine.state, machine.artim_running) == (13, True)


@pytest.mark.parametrize(
    ("event", "content", "abort"),
    [
        (Event.INVALID_PDU, InvalidPdu(AbortReason.UNRECOGNIZED_PDU, "x"), "0201"),
        (Event.ASSOCIATE_RQ_PDU, REQUEST, "0202"),
        (Event.INVALID_PDU, InvalidPdu(AbortReason.INVALID_PDU_PARAMETER, "x"), "0206"),
        (Event.ABORT_REQUEST, told.AbortWish(), "0000"),
    ],
)
def test_an_abort_says_whose_and_why(event: Event, content: object, abort: str) -> None:
    machine = machine_in(State.DATA_TRANSFER)
    machine.turn(event, content)
    assert machine.to_send[0].hex().endswith(abort)
