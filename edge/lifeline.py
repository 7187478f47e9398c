"""What a pager must say when no page could come: one that is cut off looks like a night without bleeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.mqtt.message import EdgeMessage, HeartbeatMessage, StatusMessage

# A broker that is back sooner has lost nothing, for it keeps the session.
GRACE_S = 5.0
MISSED_BEATS = 3
# The human may have been out of the room: it sounds again for as long as it lasts.
REMIND_S = 300.0
_BROKER = "the broker"
_ANYBODY = "an appliance"


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a person; an alarm sounds."""

    text: str
    alarm: bool


class Lifeline:
    """`now` is of a clock that does not jump. Every appliance below the prefix has a line of its own."""

    def __init__(self, heartbeat_s: float, now: float) -> None:
        """`heartbeat_s` as the appliances are set; the broker has just taken the subscription."""
        self._due_s = MISSED_BEATS * heartbeat_s
        self._connected_at, self._lost_at = now, float("inf")
        self._heard: dict[str, float] = {}
        self._offline: set[str] = set()
        self._overdue: set[str] = set()
        self._told: dict[str, tuple[str, float]] = {}

    def heard(self, message: EdgeMessage, now: float) -> None:
        """A status or a heartbeat; everything else says nothing of who is there."""
        name = message.appliance
        if isinstance(message, HeartbeatMessage):
            self._heard[name] = now
            self._overdue.discard(name)
        if not isinstance(message, StatusMessage):
            return
        if message.status == "offline":
            self._offline.add(name)
            self._overdue.discard(name)
        elif name in self._offline or name not in self._heard:
            # Its first heartbeat is due from here on.
            self._heard[name] = now
        if message.status != "offline":
            self._offline.discard(name)

    def look(self, *, connected: bool, now: float) -> list[Line]:
        """What began, still holds after REMIND_S, or is over."""
        self._connection(connected, now)
        if connected:
            self._count_beats(now)
        troubles = self._troubles(connected, now)
        words = [Line(f"{whom} is there again", alarm=False) for whom in self._told if whom not in troubles]
        told: dict[str, tuple[str, float]] = {}
        for whom, text in troubles.items():
            before, at = self._told.get(whom, ("", now))
            if text != before or now - at >= REMIND_S:
                words.append(Line(text, alarm=True))
                at = now
            told[whom] = (text, at)
        self._told = told
        return words

    def _connection(self, connected: bool, now: float) -> None:
        if not connected:
            self._lost_at = min(self._lost_at, now)
        elif self._lost_at <= now:
            # Nobody could be heard meanwhile; whoever was overdue before still is until it speaks.
            self._connected_at, self._lost_at = now, float("inf")

    def _count_beats(self, now: float) -> None:
        for name, at in self._heard.items():
            if name not in self._offline and now - max(at, self._connected_at) > self._due_s:
                self._overdue.add(name)

    def _troubles(self, connected: bool, now: float) -> Mapping[str, str]:
        found = {
            name: f"no heartbeat of {name} for {self._due_s:g} s: it may page nobody"
            for name in self._overdue
        }
        found |= {name: f"{name} is OFFLINE: it pages nobody" for name in self._offline}
        alone = not self._heard and not self._offline
        if alone and (_ANYBODY in self._told or (connected and now - self._connected_at > self._due_s)):
            found[_ANYBODY] = "no appliance has been heard of: nobody pages here"
        if now - self._lost_at > GRACE_S:
            found[_BROKER] = "CUT OFF from the broker: no page can come"
        return found
