"""Data sets that a service takes whole: in memory, and all of a receiver's within one bound."""

from __future__ import annotations

import threading

TOO_LARGE = "Data set is larger than this service takes"
NO_ROOM = "Out of resources, send again later"
# Of each that many are not counted: large ones that never end must not keep out the usual, small ones.
FREE_OF_EACH = 64 << 10


class Room:
    """What the data sets under way may take together beyond the first bytes of each; of many threads."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """False, and nothing taken, when there is not so much."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give_back(self, count: int) -> None:
        with self._lock:
            self._left += count


class Collected:
    """One of them; what finds no room is dropped to its end, with all that came before it.

    Whoever made it owes `abandon`, once it was answered or will not come to its end.
    """

    def __init__(self, most_bytes: int, room: Room) -> None:
        self._most_bytes = most_bytes
        self._room = room
        self._content = bytearray()
        self._taken = 0
        self.refusal = ""

    def write(self, *fragments: memoryview) -> None:
        for fragment in fragments:
            if self.refusal:
                return
            size = len(self._content) + len(fragment)
            if size > self._most_bytes:
                self._refuse(TOO_LARGE)
            elif not self._fits(size):
                self._refuse(NO_ROOM)
            else:
                self._content += fragment

    def content(self) -> bytes:
        """Handed over, to be asked for once: two copies would be twice the bound."""
        content, self._content = bytes(self._content), bytearray()
        return content

    def abandon(self) -> None:
        """Gives its room back; a second time does nothing."""
        self._content = bytearray()
        taken, self._taken = self._taken, 0
        if taken:
            self._room.give_back(taken)

    def _fits(self, size: int) -> bool:
        more = size - FREE_OF_EACH - self._taken
        if more > 0:
            if not self._room.take(more):
                return False
            self._taken += more
        return True

    def _refuse(self, refusal: str) -> None:
        self.abandon()
        self.refusal = refusal
