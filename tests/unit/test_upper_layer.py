"""Bytes in, events and bytes out: any fragmentation, what is no PDU, what claims too much."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as reference
from pynetdicom.pdu_items import UserIdentitySubItemRQ

from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.associate import AssociateAccept, AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.pdu import MOST_VALUES, data_pdus
from edge.dicom.upper_layer.reasons import AbortReason, AbortSource
from edge.dicom.upper_layer.table import State
from edge.dicom.upper_layer.user_information import RoleSelection, UserInformation

CT, IMPLICIT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
USER = UserInformation(
    max_pdu_bytes=16384,
    implementation_class_uid="1.2.3",
    implementation_version_name="PEER",
    asynchronous_window=(0, 0),
    roles=(RoleSelection(CT, scu=True, scp=True),),
    extended_negotiation=((CT, b"\2\0\0\0\0\0"),),
)
REQUEST = AssociateRequest("EDGE", "CT_1", ((1, CT, (EXPLICIT, IMPLICIT)), (3, CT, (IMPLICIT,))), USER)
ACCEPT = AssociateAccept("EDGE", "CT_1", ((1, 0, EXPLICIT), (3, 4, IMPLICIT)))
RELEASE_RQ = bytes.fromhex("05000000000400000000")


def acceptor(max_pdu_bytes: int = 16384) -> UpperLayer:
    layer = UpperLayer(max_pdu_bytes=max_pdu_bytes)
    layer.connected()
    return layer


def served(layer: UpperLayer, chunks: list[bytes]) -> list[told.Indication]:
    """What a user that accepts and releases hears."""
    heard: list[told.Indication] = []
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest and not layer.should_close:
            space = layer.space()
            taken = min(len(space), len(rest))
            space[:taken], rest = rest[:taken], rest[taken:]
            layer.received(taken)
            while (event := layer.next_event()) is not None:
                match event:
                    case told.AssociationRequested():
                        layer.accept(ACCEPT)
                    case told.ReleaseRequested():
                        layer.respond_release()
                    case told.DataReceived(values):
                        event = told.DataReceived([(c, f, memoryview(bytes(v))) for c, f, v in values])
                    case _:
                        pass
                heard.append(event)
    return heard


def said(heard: list[told.Indication]) -> list[told.Indication]:
    """Consecutive P-DATA indications in one: how many values come together is up to the network."""
    joined: list[told.Indication] = []
    for event in heard:
        if isinstance(event, told.DataReceived) and joined and isinstance(joined[-1], told.DataReceived):
            joined[-1] = told.DataReceived([*joined[-1].values, *event.values])
        else:
            joined.append(event)
    return joined


def established(max_pdu_bytes: int = 16384) -> UpperLayer:
    layer = acceptor(max_pdu_bytes)
    served(layer, [REQUEST.encode()])
    layer.bytes_to_send()
    return layer


def split(content: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(c % (len(content) + 1) for c in cuts), len(content)]
    return [content[a:b] for a, b in pairwise(edges)]


def test_a_request_is_what_pynetdicom_reads_and_writes() -> None:
    theirs = reference.A_ASSOCIATE_RQ()
    theirs.decode(REQUEST.encode())
    assert (theirs.called_ae_title, theirs.calling_ae_title) == ("EDGE", "CT_1")
    assert [c.context_id for c in theirs.presentation_context] == [1, 3]
    assert theirs.user_information.maximum_length == 16384
    assert theirs.user_information.async_ops_window.maximum_number_operations_invoked == 0
    assert theirs.user_information.role_selection[CT].scp_role
    (asked,) = served(acceptor(), [theirs.encode()])[:1]
    assert isinstance(asked, told.AssociationRequested)
    assert asked.request.contexts == REQUEST.contexts
    assert asked.request.user == USER
    assert asked.request.called.strip() == "EDGE"


def test_an_answer_is_what_pynetdicom_reads() -> None:
    theirs = reference.A_ASSOCIATE_AC()
    theirs.decode(ACCEPT.encode())
    assert [(c.context_id, c.result) for c in theirs.presentation_context] == [(1, 0), (3, 4)]


def test_user_items_nobody_here_uses_are_read_over() -> None:
    theirs = reference.A_ASSOCIATE_RQ()
    theirs.decode(REQUEST.encode())
    identity = UserIdentitySubItemRQ()
    identity.user_identity_type, identity.positive_response_requested = 2, 1
    identity.primary_field, identity.secondary_field = b"user", b"secret"
    theirs.user_information.user_data += [identity]
    (asked,) = served(acceptor(), [theirs.encode()])[:1]
    assert isinstance(asked, told.AssociationRequested)
    assert asked.request.user.identity_type == 2
    assert "secret" not in repr(asked)


STREAM = b"".join(
    [
        REQUEST.encode(),
        data_pdus(1, b"\1" * 100, is_command=True, max_pdu_bytes=60),
        data_pdus(1, b"\2" * 70000, is_command=False, max_pdu_bytes=16384),
        RELEASE_RQ,
    ]
)


@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=60))
def test_any_fragmentation_gives_the_same_events_and_answers(cuts: list[int]) -> None:
    whole, parts = acceptor(), acceptor()
    assert said(served(parts, split(STREAM, cuts))) == said(served(whole, [STREAM]))
    assert parts.bytes_to_send() == whole.bytes_to_send()
    assert parts.state is State.AWAITING_CLOSE


def test_byte_by_byte_as_well() -> None:
    stream = REQUEST.encode() + data_pdus(1, b"\1" * 100, is_command=True, max_pdu_bytes=60) + RELEASE_RQ
    assert said(served(acceptor(), [bytes((b,)) for b in stream])) == said(served(acceptor(), [stream]))


@given(noise=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=8))
def test_noise_never_raises_and_means_the_same_in_any_fragmentation(noise: bytes, cuts: list[int]) -> None:
    for start in (acceptor, established):
        whole, parts = start(), start()
        assert said(served(parts, split(noise, cuts))) == said(served(whole, [noise]))
        assert parts.bytes_to_send() == whole.bytes_to_send()


@given(at=st.integers(0, len(REQUEST.encode()) - 1), byte=st.integers(0, 255))
def test_a_damaged_request_is_answered_and_never_raises(at: int, byte: int) -> None:
    damaged = bytearray(REQUEST.encode())
    damaged[at] = byte
    layer = acceptor()
    served(layer, [bytes(damaged)])
    assert layer.state in {State.AWAITING_ASSOCIATE_RQ, State.DATA_TRANSFER, State.AWAITING_CLOSE, State.IDLE}


def test_payloads_are_views_of_the_receive_buffer() -> None:
    layer = established()
    content = data_pdus(1, b"x" * 1000, is_command=False, max_pdu_bytes=0)
    space = layer.space()
    space[: len(content)] = content
    layer.received(len(content))
    event = layer.next_event()
    assert isinstance(event, told.DataReceived)
    ((_, _, payload),) = event.values
    space[len(content) - 1] = ord("y")
    assert bytes(payload[-2:]) == b"xy"


@pytest.mark.parametrize(
    ("first", "detail"),
    [
        (b"GET / HTTP/1.1\r\n", "http_on_dicom_port"),
        (bytes.fromhex("16030100f0010000ec"), "tls_on_plain_port"),
        (b"SSH-2.0-OpenSSH_9.2", "unrecognized_pdu"),
        (b"\1\0" + (65537).to_bytes(4, "big"), "pdu_too_long"),
        (b"\4\0" + (65537).to_bytes(4, "big"), "pdu_too_long"),
        (b"\1\0\0\0\0\4abcd", "associate_length"),
        (RELEASE_RQ, "unexpected_pdu"),
    ],
)
def test_a_stranger_is_aborted_at_the_first_bytes(first: bytes, detail: str) -> None:
    layer = acceptor()
    (turned_away,) = served(layer, [first])
    assert isinstance(turned_away, told.Aborted)
    assert (turned_away.by_peer, turned_away.detail) == (False, detail)
    assert layer.bytes_to_send() == bytes.fromhex("07000000000400000000")
    assert served(layer, [b"more" * 100]) == []
    layer.artim_expired()
    assert layer.should_close


@pytest.mark.parametrize(
    ("sent", "reason", "detail"),
    [
        (b"\x63\0\0\0\0\4evil", AbortReason.UNRECOGNIZED_PDU, "unrecognized_pdu"),
        (b"\4\0" + (16384 + 1025).to_bytes(4, "big"), AbortReason.INVALID_PDU_PARAMETER, "pdu_too_long"),
        (b"\4\0\0\0\0\0", AbortReason.INVALID_PDU_PARAMETER, "pdu_without_pdv"),
        (b"\4\0\0\0\0\6" + b"\0\0\0\1\1\3", AbortReason.INVALID_PDU_PARAMETER, "pdv_length"),
        (b"\4\0\0\0\x18\6" + 1025 * b"\0\0\0\2\1\0", AbortReason.INVALID_PDU_PARAMETER, "pdv_count"),
        (b"\4\0\0\0\0\6" + b"\xff\xff\xff\xff\1\3", AbortReason.INVALID_PDU_PARAMETER, "pdv_length"),
        (b"\5\0\0\0\0\5abcde", AbortReason.INVALID_PDU_PARAMETER, "pdu_length"),
        (REQUEST.encode(), AbortReason.UNEXPECTED_PDU, "unexpected_pdu"),
    ],
)
def test_within_an_association_the_provider_aborts_with_the_reason(
    sent: bytes, reason: AbortReason, detail: str
) -> None:
    layer = established()
    assert served(layer, [sent]) == [told.Aborted(False, AbortSource.SERVICE_PROVIDER, reason, detail)]
    assert layer.bytes_to_send() == bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))


def test_a_hundred_twenty_eight_contexts_are_read_and_one_more_is_not() -> None:
    contexts = tuple((1 + 2 * n % 256, CT, (IMPLICIT,)) for n in range(128))
    assert isinstance(
        served(acceptor(), [AssociateRequest("A", "B", contexts).encode()])[0], told.AssociationRequested
    )
    many = AssociateRequest("A", "B", tuple((1, CT, (IMPLICIT,)) for _ in range(129)))
    (turned_away,) = served(acceptor(), [many.encode()])
    assert isinstance(turned_away, told.Aborted)
    assert turned_away.detail == "presentation_contexts"


@pytest.mark.parametrize("ids", [(), (1, 1), (2,)])
def test_contexts_without_an_id_of_their_own_are_no_request(ids: tuple[int, ...]) -> None:
    request = AssociateRequest("A", "B", tuple((n, CT, (IMPLICIT,)) for n in ids))
    (turned_away,) = served(acceptor(), [request.encode()])
    assert isinstance(turned_away, told.Aborted)


def test_requestor_and_acceptor_talk_to_each_other() -> None:
    ours, theirs = UpperLayer(max_pdu_bytes=16384), acceptor()
    ours.connect(REQUEST)
    ours.connected()
    served(theirs, [ours.bytes_to_send()])
    (confirmed,) = ours.receive(theirs.bytes_to_send())
    assert isinstance(confirmed, told.AssociationConfirmed)
    assert confirmed.accept.contexts == ACCEPT.contexts
    ours.send_data(1, b"hello", is_command=True)
    (data,) = theirs.receive(ours.bytes_to_send())
    assert isinstance(data, told.DataReceived)
    assert [(c, f, bytes(v)) for c, f, v in data.values] == [(1, 3, b"hello")]
    theirs.send_data(1, b"x" * 40000, is_command=False)
    heard = ours.receive(theirs.bytes_to_send())
    values = [v for e in heard if isinstance(e, told.DataReceived) for v in e.values]
    assert b"".join(bytes(v) for _, _, v in values) == b"x" * 40000
    ours.release()
    ours.abort()
    assert theirs.receive(ours.bytes_to_send()) == [
        told.ReleaseRequested(),
        told.Aborted(True, AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED),
    ]


def test_the_end_of_the_connection_is_told_once() -> None:
    layer = established()
    layer.received(0)
    assert layer.next_event() == told.ConnectionLost()
    assert (layer.should_close, layer.next_event()) == (True, None)


@given(content=st.binary(max_size=300), max_pdu_bytes=st.integers(0, 80), is_command=st.booleans())
def test_data_is_cut_as_the_peer_asked(content: bytes, max_pdu_bytes: int, is_command: bool) -> None:
    sent = data_pdus(5, content, is_command=is_command, max_pdu_bytes=max_pdu_bytes)
    values = [v for e in established().receive(sent) if isinstance(e, told.DataReceived) for v in e.values]
    assert b"".join(bytes(v) for _, _, v in values) == content
    assert [f & 2 for _, f, _ in values] == [0] * (len(values) - 1) + [2]
    assert all(c == 5 and (f & 1) == is_command for c, f, _ in values)
    if max_pdu_bytes >= 8:
        assert all(len(v) + 6 <= max_pdu_bytes for _, _, v in values)


def test_of_many_small_pdus_one_event_tells_a_bounded_number() -> None:
    layer = acceptor(131072)
    assert served(layer, [REQUEST.encode()])
    one = data_pdus(1, b"", is_command=False, max_pdu_bytes=0)
    values = [e.values for e in served(layer, [one * 5000]) if isinstance(e, told.DataReceived)]
    assert sum(map(len, values)) == 5000
    assert max(map(len, values)) <= MOST_VALUES
