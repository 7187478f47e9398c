"""What hurts a receiver that trusts the wire: each bounded in count and ended when `done` is set."""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing

from edge.dicom.dimse.command_set import CommandField, Element, write_command
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.pdu import data_pdus
from edge.dicom.upper_layer.user_information import UserInformation
from tests.contract.receiving import CT
from tests.contract.stranger import IMPLICIT, Stranger

Attack = Callable[[int, threading.Event], None]
DEFLATED = "1.2.840.10008.1.2.1.99"
ROUNDS = 200
PAUSE_S = 0.02
_RQ_FIXED_BYTES = 74


def forged_length(port: int, done: threading.Event) -> None:
    """A PDU of 4 GiB, before any association and within one."""
    for _ in range(ROUNDS):
        _shout(port, b"\1\0\xff\xff\xff\xff" + bytes(65536))
        with closing(Stranger(port)) as within:
            within.associate()
            with contextlib.suppress(OSError):
                within.socket.sendall(b"\4\0\xff\xff\xff\xff" + bytes(65536))
        if done.wait(PAUSE_S):
            return


def endless_fragments(port: int, done: threading.Event) -> None:
    """A data set whose last fragment never comes, of up to 256 MiB."""
    with closing(Stranger(port)) as one:
        one.associate()
        one.socket.sendall(data_pdus(1, _store_command("1.2.826.1"), is_command=True, max_pdu_bytes=0))
        whole = data_pdus(1, bytes(65536), is_command=False, max_pdu_bytes=0)
        fragment = whole[:11] + b"\0" + whole[12:]
        for _ in range(4096):
            with contextlib.suppress(TimeoutError):
                one.socket.sendall(fragment)
            if done.wait(0.001):
                return


def idle_sockets(port: int, done: threading.Event) -> None:
    """Two hundred at once that say nothing."""
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        done.wait(30)


def slow_senders(port: int, done: threading.Event) -> None:
    """Eight associations, each of which sends a byte of its command every 50 ms."""
    drops = data_pdus(1, bytes(400), is_command=True, max_pdu_bytes=0)
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(Stranger(port))) for _ in range(8)]
        for one in slow:
            one.associate()
        for byte in drops:
            for one in slow:
                one.socket.sendall(bytes((byte,)))
            if done.wait(0.05):
                return


def ten_thousand_contexts(port: int, done: threading.Event) -> None:
    """A-ASSOCIATE-RQ with 10,000 presentation contexts, and with as many as a first PDU may hold."""
    for _ in range(ROUNDS):
        _shout(port, _request_with(10_000))
        _shout(port, _request_with(900))
        if done.wait(PAUSE_S):
            return


def other_protocols(port: int, done: threading.Event) -> None:
    """HTTP and TLS on the plain port."""
    for _ in range(ROUNDS):
        _shout(port, b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n")
        _shout(port, bytes.fromhex("1603010200010001fc0303") + bytes(512))
        if done.wait(PAUSE_S):
            return


def deflate_bomb(port: int, done: threading.Event) -> None:
    """Data sets of 64 KiB that inflate to 64 MiB, from a peer that may send deflated."""
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(64 << 20)) + deflater.flush()
    for number in range(20):
        with closing(Stranger(port)) as one:
            one.associate((1, CT, DEFLATED))
            one.ask(1, _store(f"1.2.826.2.{number}"), bomb)
            one.status()
        if done.wait(PAUSE_S):
            return


ATTACKS: tuple[Attack, ...] = (
    forged_length,
    endless_fragments,
    idle_sockets,
    slow_senders,
    ten_thousand_contexts,
    other_protocols,
    deflate_bomb,
)


def _shout(port: int, content: bytes) -> None:
    """All of it, whatever the receiver makes of it; it may hang up in the middle."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one, contextlib.suppress(OSError):
        one.sendall(content)
        one.recv(100)


def _store(uid: str) -> dict[int, int | str | bytes]:
    return {
        Element.COMMAND_FIELD: CommandField.C_STORE,
        Element.AFFECTED_SOP_CLASS_UID: CT,
        Element.AFFECTED_SOP_INSTANCE_UID: uid,
    }


def _store_command(uid: str) -> bytes:
    return write_command({**_store(uid), Element.MESSAGE_ID: 1, Element.COMMAND_DATA_SET_TYPE: 0})


def _request_with(contexts: int) -> bytes:
    layer = UpperLayer(max_pdu_bytes=16384)
    user = UserInformation(max_pdu_bytes=16384)
    layer.connect(AssociateRequest("EDGE", "CT_9", ((1, CT, (IMPLICIT,)),), user))
    layer.connected()
    plain = bytes(layer.bytes_to_send())
    begin = _RQ_FIXED_BYTES + 4 + int.from_bytes(plain[76:78], "big")
    end = begin + 4 + int.from_bytes(plain[begin + 2 : begin + 4], "big")
    body = plain[6:begin] + plain[begin:end] * contexts + plain[end:]
    return plain[:2] + len(body).to_bytes(4, "big") + body
