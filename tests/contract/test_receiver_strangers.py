"""Connections that never say who they are: few are kept, none for long, no scanner is kept out by them."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from pynetdicom import AE

from edge.dicom.connection import Connection
from edge.dicom.dimse.command_set import NO_DATA_SET, CommandField, Element, write_command
from edge.dicom.strangers import MOST, MOST_WITH_LEAVING
from edge.domain.arrival import InstanceStored
from edge.telemetry.events import ConnectionAborted
from edge.tls.profile import client_context, show_certificate
from tests.contract.certificates import SCANNER, Lab
from tests.contract.receiving import CT, changed, receiving, send, small_series
from tests.contract.stranger import IMPLICIT, Stranger

IDLE = 300
SLICES = 40
# No test here waits that long: who has to go earlier is not let go by this timer.
LONG_S = 120.0
# The header of an A-ASSOCIATE-RQ of 64 KiB, and what is answered with an abort at once.
DRIP, FOREIGN = b"\x01\0\0\0\xff\xff", b"GET / HTTP/1.1\r\n\r\n"
WORDS = pytest.mark.parametrize("words", [DRIP, FOREIGN], ids=["dripping", "after_the_last_word"])
VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture
def crowd() -> Iterator[Callable[..., list[socket.socket]]]:
    with ExitStack() as stack:

        def come(port: int, count: int, source: str = "127.0.0.1") -> list[socket.socket]:
            return [
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
                )
                for _ in range(count)
            ]

        yield come


Crowd = Callable[..., list[socket.socket]]


def alive(crowd: list[socket.socket]) -> int:
    """Those on which the receiver has not hung up."""
    poller = select.poll()
    for one in crowd:
        poller.register(one, select.POLLIN | select.POLLRDHUP)
    return len(crowd) - len(poller.poll(0))


def until(what: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hung_up_on(one: socket.socket, words: bytes, *, timeout_s: float = 20.0) -> float:
    """Seconds until what it goes on saying is answered by a reset."""
    began = time.monotonic()
    with suppress(OSError):
        while True:
            one.sendall(words)
            assert time.monotonic() - began < timeout_s, "it is still listened to"
    return time.monotonic() - began


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_of_three_hundred_that_say_nothing_few_stay_and_a_listed_scanner_stores_its_series(
    tmp_path: Path, free_port: Callable[[], int], crowd: Crowd, encrypted: bool
) -> None:
    lab, tls_port = Lab.make(tmp_path / "tls"), free_port()
    peers = [*lab.peers(), {"ae_title": "OLD_CR", "addresses": ["127.0.0.0/8"], "plain": True}]
    patient = {"artim_timeout_s": LONG_S, "idle_timeout_s": LONG_S}
    with receiving(
        tmp_path / "s", free_port(), tls=lab.settings(tls_port), peers=peers, **patient
    ) as running:
        port = tls_port if encrypted else running.port
        context = client_context(lab.ca)
        show_certificate(context, lab.pair(SCANNER).certificate_file, lab.pair(SCANNER).key_file)
        scanner = AE("CT_1" if encrypted else "OLD_CR")
        scanner.add_requested_context(CT, small_series()[0].file_meta.TransferSyntaxUID)
        tls = {"tls_args": (context, "127.0.0.1")} if encrypted else {}
        came: list[socket.socket] = []
        coming = threading.Thread(target=lambda: came.extend(crowd(port, IDLE)))
        coming.start()
        association = scanner.associate("127.0.0.1", port, ae_title="EDGE", **tls)
        assert association.is_established
        for number in range(SLICES):
            one = changed(small_series()[0], SOPInstanceUID=f"1.2.3.{number}")
            assert association.send_c_store(one).Status == 0x0000
        coming.join()
        until(lambda: alive(came) <= MOST)
        again = scanner.associate("127.0.0.1", port, ae_title="EDGE", **tls)
        assert again.is_established, "one more stranger until it has said its name"
        again.release()
        association.release()
        assert alive(came) == MOST - 1, "none was told to go without need"
        running.wait_for(InstanceStored, SLICES)
        assert running.events.count(ConnectionAborted("too_many_connections", "127.0.0.1")) == IDLE - MOST + 1


def test_a_flood_from_one_address_costs_another_nothing(
    tmp_path: Path, free_port: Callable[[], int], crowd: Crowd
) -> None:
    with receiving(tmp_path / "state", free_port(), artim_timeout_s=LONG_S, idle_timeout_s=LONG_S) as running:
        few = crowd(running.port, 3)
        many = crowd(running.port, 2 * MOST, "127.0.0.2")
        until(lambda: alive(many) <= MOST - 3)
        assert alive(few) == 3


@WORDS
def test_one_that_goes_on_talking_is_turned_away_as_well(
    tmp_path: Path, free_port: Callable[[], int], crowd: Crowd, words: bytes
) -> None:
    with receiving(tmp_path / "state", free_port(), artim_timeout_s=LONG_S, idle_timeout_s=LONG_S) as running:
        (first,) = crowd(running.port, 1)
        first.sendall(words)
        heard: list[float] = []
        more = b"\0" if words == DRIP else bytes(65536)
        talking = threading.Thread(target=lambda: heard.append(hung_up_on(first, more)))
        talking.start()
        for one in crowd(running.port, 2 * MOST):
            one.sendall(b"\x01")
        talking.join()
        assert heard, "it was listened to for ever"
        until(lambda: ConnectionAborted("too_many_connections", "127.0.0.1") in running.events)


def test_while_those_told_to_go_are_still_there_no_more_come_in(
    tmp_path: Path, free_port: Callable[[], int], crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with receiving(tmp_path / "state", port, artim_timeout_s=LONG_S, idle_timeout_s=LONG_S) as running:
        with monkeypatch.context() as deaf:
            deaf.setattr(Connection, "interrupt", lambda *_, **__: None)
            came = crowd(port, MOST_WITH_LEAVING + 8)
            until(lambda: alive(came) == MOST_WITH_LEAVING)
            assert alive(came[:MOST_WITH_LEAVING]) == MOST_WITH_LEAVING
        for one in came:
            one.close()
        assert send(running, *small_series()) == [0x0000] * 4


@WORDS
def test_artim_ends_for_one_that_drips_and_for_one_that_goes_on_after_the_last_word(
    tmp_path: Path, free_port: Callable[[], int], crowd: Crowd, words: bytes
) -> None:
    with receiving(tmp_path / "state", free_port(), artim_timeout_s=0.5) as running:
        (one,) = crowd(running.port, 1)
        one.sendall(words)
        assert 0.4 < hung_up_on(one, b"\0" if words == DRIP else bytes(65536)) < 10


def test_artim_ends_for_one_that_sends_data_after_its_release(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with (
        receiving(tmp_path / "state", free_port(), artim_timeout_s=0.5) as running,
        closing(Stranger(running.port)) as one,
    ):
        one.associate()
        one.layer.release()
        one.socket.sendall(one.layer.bytes_to_send())
        one.hear()
        data = b"\x04\0" + (46).to_bytes(4, "big") + (42).to_bytes(4, "big") + b"\1\0" + bytes(40)
        assert 0.4 < hung_up_on(one.socket, data * 1000) < 10


def test_who_has_no_association_has_as_long_to_take_an_answer_as_to_ask(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []
    send = Connection.send

    def noting(connection: Connection, content: bytes, timeout_s: float) -> None:
        limits.append(timeout_s)
        send(connection, content, timeout_s)

    monkeypatch.setattr(Connection, "send", noting)
    with (
        receiving(tmp_path / "state", free_port(), artim_timeout_s=7.0, idle_timeout_s=60.0) as running,
        closing(Stranger(running.port)) as rejected,
        closing(Stranger(running.port)) as admitted,
    ):
        rejected.associate(protocol_version=2)
        admitted.associate()
        admitted.ask(1, {Element.COMMAND_FIELD: CommandField.N_ACTION})
        assert admitted.status() == 0x0211
        admitted.layer.release()
        admitted.socket.sendall(admitted.layer.bytes_to_send())
        admitted.hear()
    assert limits == [7.0, 60.0, 60.0, 7.0]


def test_one_that_is_turned_away_is_not_waited_for_in_the_middle_of_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as theirs:
        theirs.connect(listening.getsockname())
        ours, _ = listening.accept()
        with closing(Connection(ours, "127.0.0.1", None, time.monotonic)) as connection:
            turning_away = threading.Timer(0.2, connection.interrupt, kwargs={"sending": True})
            turning_away.start()
            began = time.monotonic()
            with pytest.raises(BrokenPipeError):
                connection.send(bytes(64 << 20), LONG_S)
            assert time.monotonic() - began < 10
            turning_away.join()


def test_one_that_takes_its_answers_slowly_gains_no_time_by_it() -> None:
    done = threading.Event()

    def sip() -> None:
        while not done.wait(0.005) and theirs.recv(8192):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        theirs.connect(listening.getsockname())
        ours, _ = listening.accept()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        sipping = threading.Thread(target=sip)
        sipping.start()
        began = time.monotonic()
        with closing(Connection(ours, "127.0.0.1", None, time.monotonic)) as connection:
            with pytest.raises(TimeoutError):
                connection.send(bytes(16 << 20), 0.5)
            waited_s = time.monotonic() - began
        done.set()
        sipping.join()
    assert waited_s < 3


def test_a_peer_that_is_gone_before_its_answer_failed_no_handshake(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    with (
        receiving(tmp_path / "state", free_port()) as running,
        closing(Stranger(running.port)) as one,
    ):
        one.associate((1, VERIFICATION, IMPLICIT))
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "send", gone)
            echo = {Element.COMMAND_FIELD: CommandField.C_ECHO, Element.MESSAGE_ID: 1}
            command = write_command({**echo, Element.COMMAND_DATA_SET_TYPE: NO_DATA_SET})
            one.layer.send_data(1, command, is_command=True)
            one.layer.abort()
            one.socket.sendall(one.layer.bytes_to_send())
            until(lambda: one.socket.recv(1) == b"")
        assert not [e for e in running.events if isinstance(e, ConnectionAborted)]
