"""`edge pager` in a process of its own while its broker, or the appliance, is away."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.mqtt.answer import AckMessage
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages, Progress
from edge.ports import OutboundMessage
from edge.settings import Settings
from tests.contract import brokers
from tests.contract.listener import Listener
from tests.statements import alert

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(90)]
MESSAGES = AlertMessages(Settings())
CLOCK = SystemClock()
BEAT_S = 0.5


class Terminal:
    """Somebody reads what the pager says, and presses keys."""

    def __init__(self, port: int, *arguments: str) -> None:
        environment = {**os.environ, "EDGE_MQTT__PORT": str(port), "EDGE_MQTT__HEARTBEAT_S": str(BEAT_S)}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "edge", "pager", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def says(self, words: str, timeout_s: float = 20) -> str:
        """The next line with these words."""
        while words not in (line := self._lines.get(timeout=timeout_s)):
            assert "CUT OFF" not in line, line
        return line

    def press(self, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[brokers.BrokerProcess]:
    made = brokers.mosquitto(tmp_path, free_port())
    made.start()
    yield made
    made.kill()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def pager(stack: ExitStack, broker: brokers.BrokerProcess, *arguments: str) -> Terminal:
    made = Terminal(broker.settings.port, *arguments)
    stack.callback(made.close)
    made.says("pager of")
    return made


def page(alert_id: str) -> OutboundMessage:
    return MESSAGES.alert(alert(alert_id=alert_id)).encode(7)


def beat() -> OutboundMessage:
    return MESSAGES.heartbeat(CLOCK.utc(), Progress(0, 0, 0, 0, 0, None, "serving"))


def send(broker: brokers.BrokerProcess, message: OutboundMessage) -> None:
    """From an appliance that says goodbye at once."""
    channel = MqttChannel(broker.settings, "scanner-side", MESSAGES.presence(CLOCK), lambda _: None)
    channel.start()
    channel.publish(message, 10)
    channel.close()


def test_an_answer_given_while_the_broker_is_away_reaches_it_later_and_later_pages_ring(
    broker: brokers.BrokerProcess, stack: ExitStack
) -> None:
    before = Listener(broker.settings, "edge/v1/+/ack")
    terminal = pager(stack, broker, "--name", "dr-7")
    send(broker, page("a1"))
    terminal.says("alert a1")
    before.heard(page("a1").key)
    before.close()
    broker.kill()
    assert "\a" in terminal.says("CUT OFF from the broker")
    terminal.press("a")
    assert "\a" in terminal.says("NOT SENT YET")
    broker.start()
    listener = Listener(broker.settings, "edge/v1/+/ack")
    stack.callback(listener.close)
    terminal.says("the broker is there again")
    terminal.says("acknowledged by stroke-team/dr-7: alert a1")
    heard = listener.heard(page("a1").key)
    assert "acknowledged" in [AckMessage.model_validate_json(h.payload).answer for h in heard]
    send(broker, page("a2"))
    terminal.says("alert a2")


def test_a_pager_says_that_the_appliance_is_offline_or_its_heartbeat_overdue_and_when_that_is_over(
    broker: brokers.BrokerProcess, stack: ExitStack
) -> None:
    terminal = pager(stack, broker)
    assert "\a" in terminal.says("no appliance has been heard of")
    channel = MqttChannel(broker.settings, "appliance", MESSAGES.presence(CLOCK), lambda _: None)
    channel.start()
    terminal.says("an appliance is there again")
    assert "\a" in terminal.says("no heartbeat of edge-1")
    channel.publish(beat(), 10)
    terminal.says("edge-1 is there again")
    channel.close()
    assert "\a" in terminal.says("edge-1 is OFFLINE")


def test_two_pagers_without_a_name_hear_the_same_page(
    broker: brokers.BrokerProcess, stack: ExitStack
) -> None:
    both = [pager(stack, broker) for _ in range(2)]
    send(broker, page("a1"))
    for terminal in both:
        terminal.says("alert a1")
        terminal.press("a")
        terminal.says("acknowledged by stroke-team/pager-")
