"""What the publisher relies on, shown on the fake, on the embedded broker and on Mosquitto."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.errors import NotPublished, RetryPeer
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages
from edge.ports import AlertChannel, OutboundMessage, Receipt
from edge.settings import Settings
from tests.contract import brokers
from tests.contract.listener import Heard, Listener
from tests.fakes.alert_channel import FakeAlertChannel, FakeBroker
from tests.statements import alert, outcome

CLOCK = SystemClock()
STATUS = "edge/v1/edge-1/status"


class FakeSide:
    """The fake broker with the same handles as a real one."""

    knows_when_nobody_listens = True

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.messages = AlertMessages(Settings())

    def connected(self) -> AlertChannel:
        presence = self.messages.presence(CLOCK)
        return FakeAlertChannel(self.broker, presence.online, presence.offline())

    def listen(self) -> None:
        self.broker.subscribed = True

    def heard(self, key: str, *, least: int = 1) -> list[Heard]:
        return [_as_heard(m) for m in self.broker.heard if m.key == key]

    def retained_status(self) -> Heard:
        return _as_heard(self.broker.retained[STATUS])

    def kill(self) -> None:
        self.broker.up = False

    def start(self) -> None:
        self.broker.up = True

    def freeze(self) -> None:
        self.broker.frozen = True

    def thaw(self) -> None:
        self.broker.frozen = False

    def close(self) -> None:
        return


class RealSide:
    """A broker process, the real channel and an independent MQTT client that listens."""

    def __init__(self, process: brokers.BrokerProcess, *, knows_when_nobody_listens: bool) -> None:
        self.knows_when_nobody_listens = knows_when_nobody_listens
        self.process = process
        self.messages = AlertMessages(Settings(mqtt=process.settings))
        self.happenings: list[object] = []
        self._channels: list[MqttChannel] = []
        self._listeners: list[Listener] = []
        process.start()

    def connected(self) -> AlertChannel:
        presence = self.messages.presence(CLOCK)
        channel = MqttChannel(self.process.settings, "edge-test", presence, self.happenings.append)
        channel.start()
        self._channels.append(channel)
        return channel

    def listen(self) -> None:
        self._listeners.append(Listener(self.process.settings, "edge/v1/#"))

    def heard(self, key: str, *, least: int = 1) -> list[Heard]:
        return self._listeners[0].heard(key, least=least)

    def retained_status(self) -> Heard:
        late = Listener(self.process.settings, STATUS)
        self._listeners.append(late)
        return late.first()

    def kill(self) -> None:
        self.process.kill()

    def start(self) -> None:
        self.process.start()

    def freeze(self) -> None:
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    def close(self) -> None:
        self.process.thaw()
        for channel in self._channels:
            channel.close()
        for listener in self._listeners:
            listener.close()
        self.process.kill()


Side = FakeSide | RealSide


@pytest.fixture(
    params=["fake", "embedded", pytest.param("mosquitto", marks=pytest.mark.peer("mosquitto"))],
)
def side(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Side]:
    made: Side
    if request.param == "fake":
        made = FakeSide()
    elif request.param == "embedded":
        made = RealSide(brokers.embedded(tmp_path, free_port()), knows_when_nobody_listens=False)
    else:
        made = RealSide(brokers.mosquitto(tmp_path, free_port()), knows_when_nobody_listens=True)
    yield made
    made.close()


def page(side: Side, alert_id: str = "a1") -> OutboundMessage:
    return side.messages.alert(alert(alert_id=alert_id)).encode(1)


def delivered(channel: AlertChannel, message: OutboundMessage, within_s: float = 20.0) -> Receipt:
    """As the publisher does: again and again until the PUBACK."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return channel.publish(message, 1.0)
        except RetryPeer:
            if time.monotonic() > deadline:
                raise


def test_a_page_arrives_with_everything_mqtt_5_can_say_of_it(side: Side) -> None:
    channel = side.connected()
    side.listen()
    sent = page(side)
    assert channel.publish(sent, 5.0) == Receipt(0, subscribers=True)
    assert side.heard(sent.key) == [
        Heard(
            topic="edge/v1/edge-1/alert/critical",
            payload=sent.payload,
            key="a1:preliminary:0:5e71e5",
            content_type="application/json",
            response_topic="edge/v1/edge-1/ack",
            expiry_s=86400,
            retained=False,
        )
    ]


def test_a_result_asks_for_no_answer(side: Side) -> None:
    channel = side.connected()
    side.listen()
    sent = side.messages.result(outcome()).encode(2)
    channel.publish(sent, 5.0)
    assert [h.response_topic for h in side.heard(sent.key)] == [None]


def test_the_receipt_says_when_nobody_listens_if_the_broker_knows(side: Side) -> None:
    receipt = side.connected().publish(page(side), 5.0)
    assert receipt.subscribers is not side.knows_when_nobody_listens
    assert receipt.reason_code == (0x10 if side.knows_when_nobody_listens else 0)


def test_a_page_nobody_heard_can_be_offered_again_on_the_same_connection(side: Side) -> None:
    channel = side.connected()
    channel.publish(page(side), 5.0)
    side.listen()
    assert channel.publish(page(side), 5.0) == Receipt(0, subscribers=True)
    assert len(side.heard("a1:preliminary:0:5e71e5")) == 1


def test_the_reason_of_a_broker_that_is_away_is_one_word(side: Side) -> None:
    channel = side.connected()
    channel.publish(page(side), 5.0)
    side.kill()
    with pytest.raises(NotPublished) as away:
        channel.publish(page(side, "a2"), 0.3)
    assert away.value.reason in {"not_connected", "connection_lost"}


def test_a_broker_killed_while_pages_go_out_gets_every_page_when_it_is_back(side: Side) -> None:
    channel = side.connected()
    side.listen()
    receipts: queue.Queue[Receipt] = queue.Queue()
    failed, enough = threading.Event(), threading.Event()

    def publish_until_enough() -> None:
        for n in itertools.count():
            sent = page(side, f"a{n}")
            try:
                receipts.put(channel.publish(sent, 1.0))
            except RetryPeer:
                failed.set()
                receipts.put(delivered(channel, sent))
            if enough.is_set():
                return

    thread = threading.Thread(target=publish_until_enough)
    thread.start()
    for _ in range(20):
        receipts.get(timeout=5)
    side.kill()
    assert failed.wait(5)
    side.start()
    enough.set()
    thread.join(30)
    assert not thread.is_alive()


def test_after_an_outage_who_listens_again_hears(side: Side) -> None:
    channel = side.connected()
    channel.publish(page(side), 5.0)
    side.kill()
    with pytest.raises(RetryPeer, match=r"not_connected|connection_lost"):
        channel.publish(page(side, "a2"), 0.5)
    side.start()
    side.listen()
    assert delivered(channel, page(side, "a2")).subscribers
    assert len(side.heard("a2:preliminary:0:5e71e5")) == 1


def test_a_silent_broker_ends_in_a_retry_that_is_heard_once(side: Side) -> None:
    channel = side.connected()
    side.listen()
    channel.publish(page(side), 5.0)
    side.freeze()
    started = time.monotonic()
    with pytest.raises(RetryPeer, match="puback_timeout"):
        channel.publish(page(side, "a2"), 0.5)
    assert time.monotonic() - started < 2.0
    side.thaw()
    assert delivered(channel, page(side, "a2")) == Receipt(0, subscribers=True)
    channel.publish(page(side, "a3"), 5.0)
    side.heard("a3:preliminary:0:5e71e5")
    assert len(side.heard("a2:preliminary:0:5e71e5")) == 1


def test_presence_is_retained_while_connected_and_after_leaving(side: Side) -> None:
    channel = side.connected()
    channel.publish(page(side), 5.0)
    here = side.retained_status()
    assert here.retained
    assert json.loads(here.payload)["status"] == "online"
    channel.close()
    gone = json.loads(side.retained_status().payload)
    assert (gone["status"], gone["reason"]) == ("offline", "closed")


def _as_heard(message: OutboundMessage) -> Heard:
    return Heard(
        topic=message.topic,
        payload=message.payload,
        key=message.key,
        content_type=message.content_type,
        response_topic=message.response_topic,
        expiry_s=message.expiry_s or None,
        retained=message.retain,
    )
