"""Where messages go: the topics of one appliance, and the filters that find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from edge.domain.finding import Urgency
from edge.errors import FixConfiguration
from edge.settings import Settings

MAX_TOPIC_BYTES = 65535
# Levels below the appliance's; apart from all that rings anybody, so that no clinical filter finds it.
TEST_ALERT = "test/alert"


class Topic(str):
    """A topic name that may be published to (MQTT 5, 4.7): no wildcard, no NUL, not the broker's own."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        if not value:
            raise ValueError("a topic name has at least one character")
        if any(c in value for c in "+#\x00"):
            raise ValueError("a topic name holds no wildcard and no NUL")
        if value.startswith("$"):
            raise ValueError("topic names that start with $ belong to the broker")
        try:
            size = len(value.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise ValueError("a topic name is well-formed UTF-8, without surrogates") from error
        if size > MAX_TOPIC_BYTES:
            raise ValueError(f"a topic name has at most {MAX_TOPIC_BYTES} bytes, this one has {size}")
        return super().__new__(cls, value)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one appliance below `<prefix>/<appliance>`."""

    result: Topic
    status: Topic
    heartbeat: Topic
    ack: Topic
    worklist: Topic
    notice: Topic
    test_alert: Topic
    test_result: Topic
    root: str
    _alerts: tuple[tuple[Urgency, Topic], ...]

    @classmethod
    def of(cls, settings: Settings) -> Topics:
        """Raises FixConfiguration when mqtt.topic_prefix makes no valid topic."""
        root = f"{settings.mqtt.topic_prefix}/{settings.appliance.name}"
        try:
            return cls(
                result=Topic(f"{root}/result"),
                status=Topic(f"{root}/status"),
                heartbeat=Topic(f"{root}/heartbeat"),
                ack=Topic(f"{root}/ack"),
                worklist=Topic(f"{root}/worklist"),
                notice=Topic(f"{root}/notice"),
                test_alert=Topic(f"{root}/{TEST_ALERT}"),
                test_result=Topic(f"{root}/test/result"),
                root=root,
                _alerts=tuple((urgency, Topic(f"{root}/alert/{urgency}")) for urgency in Urgency),
            )
        except ValueError as error:
            raise FixConfiguration(f"mqtt.topic_prefix: {error}") from error

    def alert(self, urgency: Urgency) -> Topic:
        """One level per urgency, so that a pager subscribes to what it must wake somebody for."""
        return dict(self._alerts)[urgency]

    def below(self, levels: str) -> Topic:
        """A topic of the appliance by its levels, as settings and plans name it."""
        return Topic(f"{self.root}/{levels}")


def filters(prefix: str, appliance: str = "+") -> tuple[str, ...]:
    """Topic filters for everything but tests; by default of every appliance below `prefix`."""
    root = f"{prefix}/{appliance}"
    levels = ("alert/+", "role/+", "worklist", "result", "notice", "status", "heartbeat")
    return tuple(f"{root}/{level}" for level in levels)
