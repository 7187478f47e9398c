"""What pagers say, on a real Mosquitto, while the ledger cannot take it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge.alert_ports import Recorded
from edge.clock import SystemClock
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.errors import RetryPeer
from edge.mqtt.answer import AckMessage
from edge.mqtt.answers import RECEIVE_MAXIMUM, AnswerReader
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages
from edge.ports import OutboundMessage
from edge.settings import Settings
from edge.telemetry.events import AnswerRefused, Happening, TaskFailed
from tests.contract import brokers

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(60)]
CLOCK = SystemClock()
TOPIC = "edge/v1/edge-1/ack"


def answer_to(key: str) -> bytes:
    said = Acknowledgement("a1", key, Answer.ACKNOWLEDGED, "stroke", "dr-7", CLOCK.utc())
    return AckMessage.of(said).model_dump_json().encode()


def send(pager: MqttChannel, key: str, payload: bytes) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(RetryPeer):
            pager.publish(OutboundMessage(key, TOPIC, payload, "application/json", 0), 5)
            break
    else:
        raise TimeoutError(key)


def test_an_answer_that_could_not_be_recorded_is_tried_again_on_the_same_connection(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    broker = brokers.mosquitto(tmp_path, free_port())
    broker.start()
    recorded: list[str] = []
    whole, failures = threading.Event(), [OSError("EIO"), ZeroDivisionError()]
    happenings: list[Happening] = []

    def record(answer: Acknowledgement) -> Recorded:
        if answer.message_key == "k1" and failures:
            raise failures.pop()
        recorded.append(answer.message_key)
        if len(recorded) == 2:
            whole.set()
        return Recorded.NEW

    settings = Settings(mqtt=broker.settings)
    reader = AnswerReader(broker.settings, "answers", TOPIC, record, happenings.append)
    presence = AlertMessages(settings).presence(CLOCK)
    pager = MqttChannel(broker.settings, "pager", presence, lambda _: None)
    try:
        reader.start()
        pager.start()
        assert reader.wait_subscribed(20)
        for key in ("k1", "k2"):
            send(pager, key, answer_to(key))
        assert whole.wait(30), recorded
        assert recorded == ["k2", "k1"], "the one that fails does not hold up the other"
        assert sum(isinstance(h, TaskFailed) for h in happenings) == 2
    finally:
        pager.close()
        reader.close()
        broker.kill()


def test_a_window_full_of_answers_nobody_can_read_lets_the_next_good_one_in(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    broker = brokers.mosquitto(tmp_path, free_port())
    broker.start()
    recorded, happenings = threading.Event(), list[Happening]()

    def record(_answer: Acknowledgement) -> Recorded:
        recorded.set()
        return Recorded.NEW

    reader = AnswerReader(broker.settings, "answers", TOPIC, record, happenings.append)
    pager = MqttChannel(broker.settings, "pager", AlertMessages(Settings()).presence(CLOCK), lambda _: None)
    never_set = {**json.loads(answer_to("k")), "at": "0001-01-01T00:00:00+01:00"}
    bad = RECEIVE_MAXIMUM + 1
    try:
        reader.start()
        pager.start()
        assert reader.wait_subscribed(20)
        for number in range(bad):
            send(pager, f"bad{number}", json.dumps(never_set).encode())
        send(pager, "good", answer_to("good"))
        assert recorded.wait(10), happenings
        assert happenings.count(AnswerRefused("unreadable")) == bad
    finally:
        pager.close()
        reader.close()
        broker.kill()
