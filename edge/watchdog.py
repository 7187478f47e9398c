"""systemd's watchdog, fed by parts that have done something: never by a timer (sd_notify(3)).

Every part says when it has come round its own work once more. When all of them have since the last time, one
WATCHDOG=1 goes out, from the thread of whichever part was last; there is no thread and no timer here. So one
part that is blocked, frozen or gone lets systemd restart the process.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress

ADDRESS, INTERVAL, WHO = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Watchdog:
    """Speaks to the service manager when there is one; safe from any thread, never waits, never raises."""

    def __init__(self, parts: Collection[str], environment: Mapping[str, str] = os.environ) -> None:
        """`parts` have to turn again and again, from `ready` on."""
        self._parts = frozenset(parts)
        self._waiting_for = set(self._parts)
        self._lock = threading.Lock()
        name = environment.get(ADDRESS, "")
        self._socket = _connected(name) if name.startswith(("/", "@")) else None
        theirs = environment.get(WHO, "") not in ("", str(os.getpid()))
        self.fed = self._socket is not None and bool(environment.get(INTERVAL)) and not theirs

    def ready(self) -> None:
        """Whatever was to be started is started."""
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def allow(self, seconds: float) -> None:
        """From now on this long may pass between two rounds."""
        if self.fed:
            self._say(f"WATCHDOG_USEC={round(seconds * 1e6)}")

    def turned(self, part: str) -> None:
        """The part has done a piece of its work, or has looked for some and found none."""
        assert part in self._parts, part
        with self._lock:
            self._waiting_for.discard(part)
            if self._waiting_for:
                return
            self._waiting_for = set(self._parts)
        if self.fed:
            self._say("WATCHDOG=1")

    def _say(self, words: str) -> None:
        if self._socket is not None:
            with suppress(
                OSError
            ):  # a manager that hears nothing more will restart us, and can be told nothing
                self._socket.send(words.encode("ascii"))


def _connected(name: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    try:
        connection.connect("\0" + name[1:] if name.startswith("@") else name)
    except OSError:
        connection.close()
        return None
    return connection
