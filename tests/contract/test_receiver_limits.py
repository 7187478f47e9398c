"""What comes to an open port besides scanners: turned away with the standard's reason, and counted."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydicom import Dataset

from edge.dicom import pace
from edge.dicom.dimse.command_set import CommandField, Element, read_command, write_command
from edge.dicom.upper_layer import events as told
from edge.dicom.upper_layer.pdu import data_pdus
from edge.domain.arrival import AssociationAborted, AssociationReleased
from edge.telemetry.events import AssociationRejected, ConnectionAborted, InstanceRefused
from tests.contract.receiving import CT, Running, associate, data_set_bytes, receiving, send, small_series
from tests.contract.stranger import IMPLICIT, Stranger

Start = Callable[..., Running]
DEFLATED, VERIFICATION = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.1"
ABORT = bytes.fromhex("070000000004")


@pytest.fixture
def start(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(**options: object) -> Running:
            return stack.enter_context(receiving(tmp_path / "state", free_port(), **options))

        yield begin


@pytest.fixture
def series() -> tuple[Dataset, ...]:
    return small_series()


@pytest.fixture
def stranger() -> Iterator[Callable[[Running], Stranger]]:
    with ExitStack() as stack:
        yield lambda running: stack.enter_context(closing(Stranger(running.port)))


Meet = Callable[[Running], Stranger]


def told_of(running: Running, reason: str, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while ConnectionAborted(reason, "127.0.0.1") not in running.events:
        assert time.monotonic() < deadline, running.events
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "http_on_dicom_port"),
        (bytes.fromhex("1603010200010001fc0303"), "tls_on_plain_port"),
        (b"\x01\0" + b"\xff\xff\xff\xff", "pdu_too_long"),
        (b"\x05\0\0\0\0\4\0\0\0\0", "unexpected_pdu"),
    ],
)
def test_other_protocols_are_aborted_at_once(start: Start, first: bytes, reason: str) -> None:
    running = start()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as other:
        other.sendall(first)
        assert other.recv(100) == ABORT + bytes(4)
        assert other.recv(100) == b""
    assert time.monotonic() - began < 3
    told_of(running, reason)


def test_who_says_nothing_is_hung_up_on(start: Start) -> None:
    running = start(artim_timeout_s=0.3)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as silent:
        silent.sendall(b"\x01\0\0\0")
        assert silent.recv(100) == b""
    told_of(running, "artim_expired")


def test_a_hundred_idle_sockets_lock_nobody_out(start: Start, series: tuple[Dataset, ...]) -> None:
    running = start(max_associations=2)
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        assert send(running, *series) == [0x0000] * len(series)
        told_of(running, "too_many_connections")


def test_a_connection_without_memory_ends_alone(
    start: Start, series: tuple[Dataset, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    running = start()
    with monkeypatch.context() as patched:
        patched.setattr("edge.dicom.receiver.Conversation", none_left)
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as other:
            assert other.recv(1) == b""
    told_of(running, "no_memory")
    assert send(running, *series) == [0x0000] * len(series)


def test_places_for_one_address_and_one_title_are_counted(start: Start) -> None:
    running = start(max_associations_per_ae_title=1, max_associations_per_address=2)
    first = associate(running)
    assert first.is_established
    assert not associate(running).is_established
    other = associate(running, calling="CT_2")
    assert other.is_established
    assert not associate(running, calling="CT_3").is_established
    assert running.events.count(AssociationRejected("local_limit_exceeded", "127.0.0.1")) == 2
    first.release()
    other.release()


def test_a_sender_that_drips_is_aborted(
    start: Start, stranger: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_GRACE_S", 0.2)
    running = start()
    slow = stranger(running)
    slow.associate()
    for byte in data_pdus(1, bytes(400), is_command=True, max_pdu_bytes=0)[:40]:
        slow.socket.sendall(bytes((byte,)))
        time.sleep(0.02)
    assert slow.hear() == told.Aborted(True, 2, 0)
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "too_slow"
    told_of(running, "too_slow")


def test_a_scanner_that_pauses_between_two_slices_is_not_slow(
    start: Start, stranger: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command in a segment of its own, as many send it: less than the rate asks for the pause."""
    monkeypatch.setattr(pace, "_GRACE_S", 0.2)
    running = start()
    scanner = stranger(running)
    scanner.associate()
    for number in (1, 2):
        time.sleep(0.4)
        scanner.layer.send_data(1, write_command(store_of(number)), is_command=True)
        scanner.socket.sendall(scanner.layer.bytes_to_send())
        time.sleep(0.05)
        scanner.layer.send_data(1, bytes([number]) * 4000, is_command=False)
        scanner.socket.sendall(scanner.layer.bytes_to_send())
        assert scanner.status() == 0x0000
    assert len(running.kept()) == 2


def test_who_drips_after_a_pause_is_aborted_all_the_same(
    start: Start, stranger: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_GRACE_S", 0.2)
    running = start()
    slow = stranger(running)
    slow.associate()
    time.sleep(0.3)
    slow.layer.send_data(1, write_command(store_of(1)), is_command=True)
    slow.socket.sendall(slow.layer.bytes_to_send())
    for byte in data_pdus(1, bytes(400), is_command=False, max_pdu_bytes=0)[:40]:
        time.sleep(0.02)
        slow.socket.sendall(bytes((byte,)))
    assert slow.hear() == told.Aborted(True, 2, 0)
    told_of(running, "too_slow")


def test_an_association_ends_after_its_time(start: Start, stranger: Meet) -> None:
    running = start(association_timeout_s=0.2)
    long = stranger(running)
    long.associate((1, VERIFICATION, IMPLICIT))
    time.sleep(0.3)
    long.ask(1, {Element.COMMAND_FIELD: CommandField.C_ECHO, Element.AFFECTED_SOP_CLASS_UID: VERIFICATION})
    assert long.status() == 0x0000
    assert long.hear() == told.Aborted(True, 2, 0)
    running.wait_for(AssociationAborted)


@pytest.mark.parametrize(
    ("elements", "status"),
    [
        ({Element.COMMAND_FIELD: CommandField.N_ACTION, Element.REQUESTED_SOP_CLASS_UID: "1.2.3"}, 0x0211),
        ({Element.COMMAND_FIELD: CommandField.C_FIND, Element.AFFECTED_SOP_CLASS_UID: CT}, 0x0211),
        ({Element.COMMAND_FIELD: CommandField.C_ECHO, Element.AFFECTED_SOP_CLASS_UID: CT}, 0x0211),
    ],
)
def test_an_operation_nobody_answers_is_refused(
    start: Start, stranger: Meet, elements: dict[int, int | str | bytes], status: int
) -> None:
    asking = stranger(start())
    asking.associate()
    asking.ask(1, elements)
    assert asking.status() == status
    asking.ask(1, elements, b"x" * 40000)
    assert asking.status() == status


def test_a_c_store_without_data_set_or_uid_is_answered_and_the_next_is_taken(
    start: Start, stranger: Meet
) -> None:
    running = start()
    asking = stranger(running)
    asking.associate()
    store = {Element.COMMAND_FIELD: CommandField.C_STORE, Element.AFFECTED_SOP_CLASS_UID: CT}
    named = {**store, Element.AFFECTED_SOP_INSTANCE_UID: "1.2.3"}
    for elements, data_set, status in (
        (named, b"", 0xC000),
        (store, b"1234", 0x0117),
        (named, b"1234", 0x0000),
        (named, b"1234", 0x0000),
        (named, b"4321", 0xB006),
    ):
        asking.ask(1, elements, data_set)
        assert asking.status() == status
    asking.layer.release()
    asking.socket.sendall(asking.layer.bytes_to_send())
    assert asking.hear() == told.ReleaseConfirmed()
    running.wait_for(AssociationReleased)
    assert InstanceRefused("0xC000", "empty_data_set") in running.events


COMPLETE = write_command(
    {Element.COMMAND_FIELD: 0x30, Element.MESSAGE_ID: 1, Element.COMMAND_DATA_SET_TYPE: 1}
)


@pytest.mark.parametrize(
    ("sent", "abort", "reason"),
    [
        (
            data_pdus(3, COMPLETE, is_command=True, max_pdu_bytes=0),
            (2, 5),
            "presentation_context_not_accepted",
        ),
        (data_pdus(1, b"1234", is_command=False, max_pdu_bytes=0), (0, 0), "data_set_unexpected"),
        (data_pdus(1, COMPLETE, is_command=True, max_pdu_bytes=0) * 2, (0, 0), "command_within_data_set"),
        (data_pdus(1, bytes(20000), is_command=True, max_pdu_bytes=16384), (0, 0), "command_too_long"),
        (data_pdus(1, b"\1\2\3", is_command=True, max_pdu_bytes=0), (0, 0), "command_element"),
    ],
)
def test_messages_out_of_turn_are_aborted_with_a_reason(
    start: Start, stranger: Meet, sent: bytes, abort: tuple[int, int], reason: str
) -> None:
    running = start()
    odd = stranger(running)
    odd.associate()
    odd.socket.sendall(sent)
    assert odd.hear() == told.Aborted(True, *abort)
    told_of(running, reason)
    (aborted,) = running.wait_for(AssociationAborted)
    assert isinstance(aborted, AssociationAborted)
    assert aborted.reason == "protocol_error"


def test_command_and_data_set_in_one_pdu_and_in_many_are_the_same(start: Start, stranger: Meet) -> None:
    running = start()
    asking = stranger(running)
    asking.associate()
    command = write_command(
        {
            Element.COMMAND_FIELD: CommandField.C_STORE,
            Element.AFFECTED_SOP_CLASS_UID: CT,
            Element.AFFECTED_SOP_INSTANCE_UID: "1.2.3",
            Element.MESSAGE_ID: 1,
            Element.COMMAND_DATA_SET_TYPE: 0,
        }
    )
    values = [(command, 3), (b"12", 0), (b"", 0), (b"34", 2)]
    body = b"".join(struct.pack(">LBB", len(v) + 2, 1, control) + v for v, control in values)
    asking.socket.sendall(b"\4\0" + len(body).to_bytes(4, "big") + body)
    assert asking.status() == 0x0000
    for value, control in values:
        asking.socket.sendall(struct.pack(">BxLLBB", 4, len(value) + 6, len(value) + 2, 1, control) + value)
    assert asking.status() == 0x0000
    assert len(running.kept()) == 1


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"application_context": "1.2.3"}, "application_context_name_not_supported"),
        ({"protocol_version": 2}, "protocol_version_not_supported"),
    ],
)
def test_another_protocol_is_rejected(
    start: Start, stranger: Meet, fields: dict[str, object], label: str
) -> None:
    running = start()
    assert isinstance(stranger(running).associate(**fields), told.AssociationRejected)
    assert AssociationRejected(label, "127.0.0.1") in running.events


@pytest.mark.parametrize(("allowed", "result"), [((), 4), (("CT_1",), 0)])
def test_deflated_is_taken_from_listed_peers_alone(
    start: Start, stranger: Meet, allowed: tuple[str, ...], result: int
) -> None:
    answer = stranger(start(deflated_calling_ae_titles=allowed)).associate((1, CT, DEFLATED))
    assert isinstance(answer, told.AssociationConfirmed)
    assert answer.accept.contexts[0][1] == result
    assert answer.accept.user.asynchronous_window is None


def store_of(number: int) -> dict[int, int | str | bytes]:
    return {
        Element.COMMAND_FIELD: CommandField.C_STORE,
        Element.AFFECTED_SOP_CLASS_UID: CT,
        Element.AFFECTED_SOP_INSTANCE_UID: f"1.2.3.{number}",
        Element.MESSAGE_ID: number,
        Element.COMMAND_DATA_SET_TYPE: 0,
    }


def test_operations_of_a_peer_that_does_not_wait_are_answered_one_after_the_other(
    start: Start, stranger: Meet
) -> None:
    """A window was offered and not answered, so it is one (PS3.7 D.3.3.3); nothing is lost all the same."""
    running = start()
    asking = stranger(running)
    answer = asking.associate()
    assert isinstance(answer, told.AssociationConfirmed)
    assert answer.accept.user.asynchronous_window is None
    for number in range(1, 9):
        command = write_command(store_of(number))
        asking.layer.send_data(1, command, is_command=True)
        asking.layer.send_data(1, bytes([number]) * 30000, is_command=False)
    asking.socket.sendall(asking.layer.bytes_to_send())
    answered = []
    while len(answered) < 8:
        event = asking.hear()
        assert isinstance(event, told.DataReceived), event
        for _, _, value in event.values:
            response = read_command(bytes(value))
            assert response.number(Element.STATUS) == 0x0000
            answered.append(response.number(Element.MESSAGE_ID_BEING_RESPONDED_TO))
    assert answered == list(range(1, 9))
    assert [kept[-1] for kept in running.kept()] == answered


def test_a_data_set_cut_up_in_any_way_is_the_same_on_disk(start: Start, stranger: Meet) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    running = start()
    asking = stranger(running)
    asking.associate()
    for number in range(1, 9):
        parts = [(write_command(store_of(number)), 1)]
        parts += [
            (dice.randbytes(dice.choice((0, 1, 2, 333, 4095, 16001))), 0) for _ in range(dice.randint(1, 40))
        ]
        parts.append((b"end", 2))
        # The command in pieces too, each of them a value; any number of values in a PDU.
        command, cut = parts[0][0], dice.randrange(1, 60)
        values = [(command[:cut], 1), (command[cut:], 3), *parts[1:]]
        while values:
            taken = dice.randint(1, min(5, len(values)))
            body = b"".join(struct.pack(">LBB", len(v) + 2, 1, control) + v for v, control in values[:taken])
            asking.socket.sendall(b"\4\0" + len(body).to_bytes(4, "big") + body)
            values = values[taken:]
        assert asking.status() == 0x0000
        assert data_set_bytes(running.kept()[-1]) == b"".join(v for v, _ in parts[1:])
