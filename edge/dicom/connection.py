"""One TCP connection, plain or TLS, whose every wait has an end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from struct import pack
from typing import Protocol

from edge.dicom.admission import Peer


class TlsEntrance(Protocol):
    """What makes an accepted connection an encrypted one of a known peer; tls_gate.py has it."""

    def wrap(self, accepted: socket.socket) -> ssl.SSLSocket:
        """Takes the connection over and says nothing yet; raises OSError when it is gone."""
        ...

    def enter(self, encrypted: ssl.SSLSocket, address: str, timeout_s: float) -> Peer:
        """The handshake; raises OSError when there is no agreement, the reason is told by then."""
        ...

    def look(self) -> None:
        """To be called once a second: certificates may have been renewed."""
        ...

    def measure(self) -> None:
        """Tells how long the certificate is good for."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen; with `tls` every connection begins with a handshake."""

    host: str
    port: int
    tls: TlsEntrance | None = None


class Connection:
    """Of one thread, but for `interrupt`. Waits raise TimeoutError, and OSError when the peer is gone."""

    def __init__(
        self, accepted: socket.socket, address: str, tls: TlsEntrance | None, now: Callable[[], float]
    ) -> None:
        self._socket = accepted
        self._tls = tls
        self._now = now
        self._interrupted = False
        self.heard_of = False
        self._timeouts: dict[int, float] = {}
        self.peer = Peer(address)
        # DIMSE is request and response: Nagle's algorithm would make each wait for a delayed ACK.
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def shake_hands(self, timeout_s: float) -> None:
        """TLS, where this listener speaks it; raises OSError when there is no agreement."""
        if self._tls is None:
            return
        ends = self._now() + timeout_s
        self._await_first_byte(timeout_s)
        encrypted = self._tls.wrap(self._socket)
        self._socket = encrypted
        # Whoever interrupted before this line has shut down a socket that is no longer there.
        if self._interrupted:
            raise ConnectionAbortedError("interrupted")
        left_s = max(0.001, ends - self._now())
        self.peer = self._tls.enter(encrypted, self.peer.address, left_s)

    def receive(self, space: memoryview, timeout_s: float) -> int:
        """How many bytes came, 0 at the end."""
        self._limit(socket.SO_RCVTIMEO, timeout_s)
        try:
            count = self._socket.recv_into(space)
        except BlockingIOError as error:
            raise TimeoutError from error
        self.heard_of = True
        return count

    def send(self, content: bytes, timeout_s: float) -> None:
        """All of it, in that time: a peer that takes a byte now and then gains none by it."""
        rest, ends = memoryview(content), self._now() + timeout_s
        left_s = timeout_s
        while left_s > 0:
            self._limit(socket.SO_SNDTIMEO, left_s)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError as error:
                raise TimeoutError from error
            if not rest:
                return
            left_s = ends - self._now()
        raise TimeoutError

    # SSLSocket.shutdown would take the encryption away, and the A-ABORT to come would go out in plain.

    def say_no_more(self) -> None:
        """The peer reads what was sent to it and then an end, though this side still listens."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def interrupt(self, *, sending: bool = False) -> None:
        """Ends the wait for the peer, from any thread: what is there is still received, and then 0.

        With `sending` also a wait for the peer to take what is sent to it, and nothing more goes out.
        """
        self._interrupted = True
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR if sending else socket.SHUT_RD)

    def close(self) -> None:
        self._socket.close()

    def _await_first_byte(self, timeout_s: float) -> None:
        """Until then nothing of TLS is made: it costs a silent stranger's weight many times over."""
        self._socket.settimeout(timeout_s)
        with suppress(TimeoutError):
            self._socket.recv(1, socket.MSG_PEEK)
            self.heard_of = True

    def _limit(self, option: int, timeout_s: float) -> None:
        """In the kernel on a plain socket: Python's own timeout costs a poll(2) before each recv(2)."""
        if self._tls is not None:
            self._socket.settimeout(timeout_s)
            return
        if self._timeouts.get(option) == timeout_s:
            return
        self._timeouts[option] = timeout_s
        seconds, fraction = divmod(timeout_s, 1)
        # No time at all would mean for ever.
        microseconds = max(int(fraction * 1e6), int(not seconds))
        self._socket.setsockopt(socket.SOL_SOCKET, option, pack("@ll", int(seconds), microseconds))
