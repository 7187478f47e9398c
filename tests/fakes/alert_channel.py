"""A broker in memory and the channel to it; the contract suite runs on these and on real brokers alike."""

from __future__ import annotations

from edge.errors import MessageRefused, NotPublished
from edge.ports import OutboundMessage, Receipt

NO_MATCHING_SUBSCRIBERS = 0x10


class FakeBroker:
    """`heard` is what its one subscriber got, `retained` what a late one would get first."""

    def __init__(self) -> None:
        self.up = True
        self.frozen = False
        self.subscribed = False
        self.refuses: dict[str, str] = {}
        self.heard: list[OutboundMessage] = []
        self.retained: dict[str, OutboundMessage] = {}
        self._taken: dict[str, OutboundMessage] = {}

    def take(self, message: OutboundMessage) -> Receipt:
        if not self.up:
            self._taken.clear()
            raise NotPublished("not_connected")
        if self.frozen:
            self._taken[message.key] = message
            raise NotPublished("puback_timeout")
        if message.topic in self.refuses:
            raise MessageRefused(self.refuses[message.topic])
        return self._route(self._taken.pop(message.key, message))

    def _route(self, message: OutboundMessage) -> Receipt:
        if message.retain:
            self.retained[message.topic] = message
        if not self.subscribed:
            return Receipt(NO_MATCHING_SUBSCRIBERS, subscribers=False)
        self.heard.append(message)
        return Receipt(0, subscribers=True)


class FakeAlertChannel:
    """ports.AlertChannel; says online and offline as the real one does."""

    def __init__(self, broker: FakeBroker, online: OutboundMessage, offline: OutboundMessage) -> None:
        self._broker = broker
        self._offline = offline
        if broker.up:
            broker.take(online)

    def publish(self, message: OutboundMessage, timeout_s: float) -> Receipt:
        return self._broker.take(message)

    def close(self) -> None:
        if self._broker.up and not self._broker.frozen:
            self._broker.take(self._offline)
