"""A page that Mosquitto has nobody for reaches the pager that comes back after restarts of both sides."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages, Progress, summarise
from edge.publisher import Publisher
from edge.settings import Settings
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import AlertPublished, Happening
from tests.contract import brokers
from tests.contract.listener import Listener
from tests.statements import alert

CLOCK = SystemClock()


def turn_until(
    broker: brokers.BrokerProcess, ledger: SqliteLedger, met: Callable[[], bool]
) -> list[Happening]:
    """A publisher of its own, as after a restart of the agent."""
    happenings: list[Happening] = []
    settings = Settings(mqtt=broker.settings)
    messages = AlertMessages(settings)
    channel = MqttChannel(settings.mqtt, "edge-test", messages.presence(CLOCK), happenings.append)
    channel.start()
    publisher = Publisher(
        ledger,
        channel,
        CLOCK,
        happenings.append,
        settings.mqtt,
        summarise=summarise,
        heartbeat=lambda: messages.heartbeat(CLOCK.utc(), Progress(0, 0, 0, 0, 0, None, "serving")),
    )
    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline
        publisher.turn()
        time.sleep(0.05)
    channel.close()
    return happenings


@pytest.mark.peer("mosquitto")
def test_a_pager_that_lost_its_session_gets_the_page_it_missed(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    broker = brokers.mosquitto(tmp_path, free_port())
    broker.start()
    said = alert()
    ledger = SqliteLedger(tmp_path, clock=CLOCK)
    ledger.alert(said, AlertMessages(Settings(mqtt=broker.settings)).alert(said))
    told = turn_until(broker, ledger, lambda: ledger.pending(1)[0].unheard)
    assert [h.subscribers for h in told if isinstance(h, AlertPublished)] == [False]
    ledger.close()
    broker.kill()
    broker.start()
    pager = Listener(broker.settings, "edge/v1/+/alert/+")
    ledger = SqliteLedger(tmp_path, clock=CLOCK)
    told = turn_until(broker, ledger, lambda: not ledger.pending(1))
    assert [h.subscribers for h in told if isinstance(h, AlertPublished)] == [True]
    assert len(pager.heard("a1:preliminary:0:5e71e5")) == 1
    ledger.close()
    pager.close()
    broker.kill()
