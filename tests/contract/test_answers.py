"""What pagers say, on a real Mosquitto, while the ledger cannot take it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.alert_ports import Recorded
from edge.clock import SystemClock
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.mqtt.answer import AckMessage
from edge.mqtt.answers import AnswerReader
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages
from edge.ports import OutboundMessage
from edge.settings import Settings
from edge.telemetry.events import Happening, TaskFailed
from tests.contract import brokers

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(60)]
CLOCK = SystemClock()


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
    topic = "edge/v1/edge-1/ack"
    reader = AnswerReader(broker.settings, "answers", topic, record, happenings.append)
    presence = AlertMessages(settings).presence(CLOCK)
    pager = MqttChannel(broker.settings, "pager", presence, lambda _: None)
    try:
        reader.start()
        pager.start()
        assert reader.wait_subscribed(20)
        for key in ("k1", "k2"):
            said = AckMessage.of(
                Acknowledgement("a1", key, Answer.ACKNOWLEDGED, "stroke", "dr-7", CLOCK.utc())
            )
            payload = said.model_dump_json().encode()
            sent_at = time.monotonic()
            while True:
                try:
                    pager.publish(OutboundMessage(key, topic, payload, "application/json", 0), 5)
                    break
                except Exception:
                    if time.monotonic() - sent_at > 20:
                        raise
        assert whole.wait(30), recorded
        assert recorded == ["k2", "k1"], "the one that fails does not hold up the other"
        assert sum(isinstance(h, TaskFailed) for h in happenings) == 2
    finally:
        pager.close()
        reader.close()
        broker.kill()
