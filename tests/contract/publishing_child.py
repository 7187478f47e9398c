"""A process that pages until it is killed: outbox on disk, publisher, real broker.

`run` says each alert id once the outbox has promised to keep it; `present` only connects and stays.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from edge.clock import SystemClock
from edge.domain.alert import AlertStatus
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages, Progress, summarise
from edge.publisher import Publisher
from edge.settings import MqttSettings, Settings
from edge.spool.ledger import SqliteLedger
from tests.statements import alert

CLOCK = SystemClock()


def main(task: str, port: int, state_dir: Path, start: int) -> None:
    settings = Settings(mqtt=MqttSettings(port=port, keepalive_s=2))
    messages = AlertMessages(settings)
    channel = MqttChannel(settings.mqtt, "edge-child", messages.presence(CLOCK), lambda _: None)
    channel.start()
    if task == "present":
        threading.Event().wait()
    ledger = SqliteLedger(state_dir, clock=CLOCK)
    publisher = Publisher(
        ledger,
        channel,
        CLOCK,
        lambda _: None,
        settings.mqtt,
        summarise=summarise,
        heartbeat=lambda: messages.heartbeat(CLOCK.utc(), Progress(0, 0, 0, 0, 0, None, "serving")),
    )
    threading.Thread(target=publisher.run, daemon=True).start()
    pause = threading.Event()
    for number in range(start, 1_000_000):
        said = alert(AlertStatus.CONFIRMED, alert_id=f"alert-{number}")
        ledger.alert(said, messages.alert(said))
        os.write(1, f"{number}\n".encode())
        pause.wait(0.002)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
