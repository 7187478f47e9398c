"""What paho's thread learns, for the threads that wait for it.

paho calls back while it holds its own locks, and may do so before `publish` has returned the packet
identifier. So its callbacks only write down what happened here and wake the waiters, and nothing in
this file ever calls paho.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.errors import NotPublished
from edge.mqtt.reason import ReasonCode


@dataclass(frozen=True, slots=True)
class _Flight:
    identifier: int
    since: float


class Acknowledgements:
    """Packet identifiers in flight on the present connection, and the PUBACKs that came.

    A message whose PUBACK is late stays in flight: MQTT 5 forbids to send it again on the same
    connection (4.4.0-1), so the next attempt with its key goes on waiting for the same identifier.
    A new connection starts from nothing.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._connection = 0
        self._connected = False
        self._closed = False
        self._early: dict[int, ReasonCode] = {}
        self._came: dict[int, ReasonCode | None] = {}
        self._flights: dict[str, _Flight] = {}

    def connected(self) -> None:
        with self._changed:
            self._connection += 1
            self._connected = True
            self._early.clear()
            self._came.clear()
            self._flights.clear()
            self._changed.notify_all()

    def lost(self) -> bool:
        """False when there was no connection. PUBACKs stay: who waits for one may not have woken yet."""
        with self._changed:
            was_connected, self._connected = self._connected, False
            self._changed.notify_all()
            return was_connected

    def close(self) -> None:
        """Ends every wait, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def came(self, identifier: int, reason: ReasonCode) -> None:
        with self._changed:
            if self._came.get(identifier, reason) is None:
                self._came[identifier] = reason
            else:
                self._early[identifier] = reason
            self._changed.notify_all()

    def await_connection(self, timeout_s: float) -> int:
        """The number of the present connection; raises NotPublished when there is none in time."""
        with self._changed:
            self._wait(lambda: self._connected, timeout_s)
            if not self._connected:
                raise NotPublished("not_connected")
            return self._connection

    def in_flight_s(self, key: str) -> float | None:
        """For how long the present connection has carried this message, None when it does not."""
        with self._changed:
            flight = self._flights.get(key)
            return None if flight is None else time.monotonic() - flight.since

    def about_to_send(self) -> None:
        """What came early for others is of no use; identifiers come round again after 65535."""
        with self._changed:
            self._early.clear()

    def sent(self, key: str, identifier: int, connection: int) -> None:
        """Raises NotPublished when the connection it was meant for is gone: paho has dropped the message."""
        with self._changed:
            if not self._connected or self._connection != connection:
                raise NotPublished("connection_lost")
            self._came[identifier] = self._early.pop(identifier, None)
            self._flights[key] = _Flight(identifier, time.monotonic())

    def await_puback(self, key: str, connection: int, timeout_s: float) -> ReasonCode:
        """Raises NotPublished: puback_timeout, or connection_lost when there will be no PUBACK any more."""
        with self._changed:
            self._wait(lambda: self._gone(connection) or self._arrived(key) is not None, timeout_s)
            reason = self._arrived(key)
            if reason is not None and self._connection == connection:
                del self._came[self._flights.pop(key).identifier]
                return reason
            raise NotPublished("connection_lost" if self._gone(connection) else "puback_timeout")

    def _gone(self, connection: int) -> bool:
        return not self._connected or self._connection != connection

    def _arrived(self, key: str) -> ReasonCode | None:
        flight = self._flights.get(key)
        return None if flight is None else self._came.get(flight.identifier)

    def _wait(self, met: Callable[[], bool], timeout_s: float) -> None:
        self._changed.wait_for(lambda: self._closed or met(), timeout_s)
