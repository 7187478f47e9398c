"""What hurts a receiver that trusts the wire; each goes on until `done` is set, and not beyond MOST_S.

`python -m tests.contract.attacks NAME PORT` in a process of its own, until its standard input ends: so it
takes no time from whoever sends meanwhile but what the machine and the receiver give to it.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import cache

from edge.dicom.dimse.command_set import NO_DATA_SET, CommandField, Element, write_command
from edge.dicom.upper_layer.associate import AssociateRequest
from edge.dicom.upper_layer.layer import UpperLayer
from edge.dicom.upper_layer.pdu import data_pdus
from edge.dicom.upper_layer.user_information import UserInformation
from tests.contract.announcing import EXPLICIT, MPPS, begun
from tests.contract.hostile import Hostile, encoded, nan_and_huge_geometry, zip_like
from tests.contract.receiving import CT
from tests.contract.stranger import IMPLICIT, Stranger

Attack = Callable[[int, threading.Event], None]
VERIFICATION = "1.2.840.10008.1.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_S = 120.0
PAUSE_S = 0.02
HOSTILE_ROOT = "1.2.826.2"
_RQ_FIXED_BYTES = 74


def forged_length(port: int, done: threading.Event) -> None:
    """A PDU of 4 GiB, before any association and within one."""
    for _ in _rounds(done):
        _shout(port, b"\1\0\xff\xff\xff\xff" + bytes(65536))
        with closing(Stranger(port)) as within:
            within.associate()
            with contextlib.suppress(OSError):
                within.socket.sendall(b"\4\0\xff\xff\xff\xff" + bytes(65536))


def endless_fragments(port: int, done: threading.Event) -> None:
    """A data set whose last fragment never comes, 64 KiB every few milliseconds."""
    with closing(Stranger(port)) as one:
        one.associate()
        one.socket.sendall(data_pdus(1, _store_command("1.2.826.1"), is_command=True, max_pdu_bytes=0))
        whole = data_pdus(1, bytes(65536), is_command=False, max_pdu_bytes=0)
        fragment = whole[:11] + b"\0" + whole[12:]
        for _ in _rounds(done, 0.003):
            with contextlib.suppress(TimeoutError):
                one.socket.sendall(fragment)


def crumbs(port: int, done: threading.Event) -> None:
    """Eight data sets at once in fragments of one byte, a thousand in a PDU and each in its own."""
    one = b"\0\0\0\3\1\0x"
    many = b"\4\0" + (1000 * len(one)).to_bytes(4, "big") + 1000 * one
    each = (b"\4\0" + len(one).to_bytes(4, "big") + one) * 1000
    command = data_pdus(1, _store_command("1.2.826.3"), is_command=True, max_pdu_bytes=0)
    _eight_times(port, done, command + many + each, CT)


def flood_of_echoes(port: int, done: threading.Event) -> None:
    """Eight associations that ask a thousand times at once, and read no answer."""
    echo = {Element.COMMAND_FIELD: CommandField.C_ECHO, Element.AFFECTED_SOP_CLASS_UID: VERIFICATION}
    command = write_command({**echo, Element.MESSAGE_ID: 1, Element.COMMAND_DATA_SET_TYPE: NO_DATA_SET})
    asked = data_pdus(1, command, is_command=True, max_pdu_bytes=0)
    _eight_times(port, done, asked * 1000, VERIFICATION)


def flood_of_steps(port: int, done: threading.Event) -> None:
    """Eight associations that begin one procedure step after the other, each naming 7,000 instances."""
    said = _long_step()
    with ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(_steps, port, done, f"1.2.826.4.{number}", said)
        done.wait(MOST_S)


def idle_sockets(port: int, done: threading.Event) -> None:
    """Two hundred at once that say nothing."""
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        done.wait(MOST_S)


def half_handshakes(port: int, done: threading.Event) -> None:
    """A hundred ClientHellos at once of another address, which hears no answer, over and over."""
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="edge").do_handshake()
    said = hello.read()
    while not done.is_set():
        with ExitStack() as stack, contextlib.suppress(OSError):
            for _ in range(100):
                elsewhere = socket.create_connection(
                    ("127.0.0.1", port), timeout=5, source_address=("127.0.0.2", 0)
                )
                stack.enter_context(elsewhere).sendall(said)
            done.wait(2.0)


def slow_senders(port: int, done: threading.Event) -> None:
    """Eight associations, each of which sends a byte of its command every 50 ms, and again when cut off."""
    while not done.is_set():
        drops = data_pdus(1, bytes(400), is_command=True, max_pdu_bytes=0)
        with ExitStack() as stack, contextlib.suppress(OSError):
            slow = [stack.enter_context(closing(Stranger(port))) for _ in range(8)]
            for one in slow:
                one.associate()
            for byte, _ in zip(drops, _rounds(done, 0.05), strict=False):
                for one in slow:
                    one.socket.sendall(bytes((byte,)))


def ten_thousand_contexts(port: int, done: threading.Event) -> None:
    """A-ASSOCIATE-RQ with 10,000 presentation contexts, and with as many as a first PDU may hold."""
    most, some = _request_with(10_000), _request_with(900)
    for _ in _rounds(done):
        _shout(port, most)
        _shout(port, some)


def other_protocols(port: int, done: threading.Event) -> None:
    """HTTP and TLS on the plain port."""
    for _ in _rounds(done):
        _shout(port, b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n")
        _shout(port, bytes.fromhex("1603010200010001fc0303") + bytes(512))


def deflate_bomb(port: int, done: threading.Event) -> None:
    """Data sets of 64 KiB that inflate to 64 MiB, from a peer that may send deflated."""
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(64 << 20)) + deflater.flush()
    _sent(port, ((CT, DEFLATED, bomb),), done)


def zip_like_frames(port: int, done: threading.Event) -> None:
    """Encapsulated pixel data whose thousand frames share their bytes."""
    _sent(port, zip_like(), done)


def impossible_geometry(port: int, done: threading.Event) -> None:
    """NaN, infinite and huge numbers where a slice says how large it is and where it lies."""
    _sent(port, nan_and_huge_geometry(), done)


ATTACKS: tuple[Attack, ...] = (
    forged_length,
    endless_fragments,
    crumbs,
    flood_of_echoes,
    flood_of_steps,
    idle_sockets,
    slow_senders,
    ten_thousand_contexts,
    other_protocols,
    deflate_bomb,
)
# These are well-formed, so they are acknowledged and become series of their own.
ATTACKS_THAT_ARE_STORED: tuple[Attack, ...] = (zip_like_frames, impossible_geometry)
# What the port that encrypts has to bear before anybody has shown a certificate.
ATTACKS_ON_TLS: tuple[Attack, ...] = (idle_sockets, half_handshakes, other_protocols)


def _eight_times(port: int, done: threading.Event, content: bytes, abstract_syntax: str) -> None:
    """Over and over on eight associations; who is aborted comes again."""
    senders: list[Stranger | None] = [None] * 8
    for _ in _rounds(done, 0.1):
        for place, sender in enumerate(senders):
            try:
                if sender is None:
                    senders[place] = sender = Stranger(port)
                    sender.associate((1, abstract_syntax, IMPLICIT))
                sender.socket.sendall(content)
            except (OSError, AssertionError):
                senders[place] = None
                if sender is not None:
                    sender.close()


def _steps(port: int, done: threading.Event, root: str, said: bytes) -> None:
    """Each as soon as the one before was answered; where it is turned away it comes again."""
    numbers = itertools.count()
    for _ in _rounds(done):
        with contextlib.suppress(OSError, AssertionError), closing(Stranger(port)) as one:
            one.associate((1, MPPS, EXPLICIT))
            one.socket.settimeout(MOST_S)
            while not done.is_set():
                step = {
                    Element.COMMAND_FIELD: CommandField.N_CREATE,
                    Element.AFFECTED_SOP_CLASS_UID: MPPS,
                    Element.AFFECTED_SOP_INSTANCE_UID: f"{root}.{next(numbers)}",
                }
                one.ask(1, step, said)
                assert one.status() in {0x0000, 0x0213}


@cache
def _long_step() -> bytes:
    """Put together here: with pydicom the attack would begin when the scanner is done."""
    head = encoded(begun())
    assert head.endswith(b"\x40\x00\x40\x03SQ" + bytes(6)), "the empty sequence of what was performed"
    names = (f"1.2.826.4.{k:050d}".encode() for k in range(7000))
    references = _sequence(0x0008, 0x1140, *(_uid(0x0008, 0x1155, name) for name in names))
    series = _uid(0x0020, 0x000E, b"1.2.826.4.") + references
    return head[:-12] + _sequence(0x0040, 0x0340, series)


def _uid(group: int, element: int, uid: bytes) -> bytes:
    return struct.pack("<HH2sH", group, element, b"UI", len(uid)) + uid


def _sequence(group: int, element: int, *items: bytes) -> bytes:
    content = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return struct.pack("<HH4sL", group, element, b"SQ", len(content)) + content


def _rounds(done: threading.Event, pause_s: float = PAUSE_S) -> Iterator[None]:
    ends = time.monotonic() + MOST_S
    while not done.wait(pause_s) and time.monotonic() < ends:
        yield


def _sent(port: int, hostile: tuple[Hostile, ...], done: threading.Event) -> None:
    """One after the other, each on an association and under a UID of its own, and stored."""
    for number, (kind, syntax, content) in zip(itertools.count(), itertools.cycle(hostile), strict=False):
        with closing(Stranger(port)) as one:
            one.associate((1, kind, syntax))
            one.ask(1, {**_store(f"{HOSTILE_ROOT}.{number}"), Element.AFFECTED_SOP_CLASS_UID: kind}, content)
            assert one.status() == 0x0000
        if done.wait(PAUSE_S):
            return


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


def _main() -> None:
    name, port = sys.argv[1:]
    done = threading.Event()
    attack = next(a for a in (*ATTACKS, *ATTACKS_THAT_ARE_STORED, *ATTACKS_ON_TLS) if a.__name__ == name)

    def end() -> None:
        sys.stdin.read()
        done.set()

    threading.Thread(target=end, daemon=True).start()
    print("attacking", flush=True)
    attack(int(port), done)


if __name__ == "__main__":
    _main()
