"""The broker is away and a head bleeds: the command is run, then the mail goes out, and each is told once.

The paging half of the agent as it is wired, on a real ledger, with a real command, a real mail server over
TLS and, in the end, a real Mosquitto; the alert comes from the test, so that no model has to run.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.clock import SystemClock
from edge.domain.alert import AlertStatus
from edge.domain.degraded import Mode
from edge.mqtt.drafts import AlertMessages
from edge.paging_wiring import publishing
from edge.pulse import Pulse
from edge.second_channel_wiring import second_channels
from edge.settings import Settings
from edge.settings_second_channel import HookSettings
from edge.spool.ledger import SqliteLedger
from edge.telemetry.degraded_events import NoticeTold
from edge.telemetry.events import Happening
from tests.contract import brokers
from tests.contract.mail_server import MailServer
from tests.contract.test_notice_channels import mail_settings, script
from tests.statements import alert

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(180)]

CLOCK = SystemClock()
PATIENCE_S = 60.0


class Box:
    """Outbox, lifecycle and second channels of an agent, which may be stopped and started on one ledger."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.happenings: list[Happening] = []
        self.start()

    def start(self) -> None:
        self.ledger = SqliteLedger(self.settings.appliance.state_dir, clock=CLOCK)
        self.pulse = Pulse(self.happenings.append, CLOCK)
        self._loop, self._up = asyncio.new_event_loop(), threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._up.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(40)
        self._loop.close()
        self.ledger.close()

    def say(self, status: AlertStatus) -> None:
        assert self.ledger.alert(alert(status), AlertMessages(self.settings).alert(alert(status)))

    async def _run(self) -> None:
        messages = AlertMessages(self.settings)
        async with (
            publishing(self.settings, self.ledger, messages, self.pulse, CLOCK),
            second_channels(self.settings, self.ledger, CLOCK, self.pulse.emit),
        ):
            self._up.set()
            await self._stopping.wait()


def until(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def mail(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[MailServer]:
    certificates = tmp_path / "certificates"
    assert main(["tls", "init", "--out", str(certificates), "--broker", "127.0.0.1"]) == 0
    made = MailServer(free_port(), certificates, "starttls")
    made.start()
    yield made
    made.stop()


def test_without_a_broker_the_command_and_then_the_mail_tell_each_status_once_also_across_a_restart(
    tmp_path: Path, free_port: Callable[[], int], mail: MailServer
) -> None:
    told, broken = tmp_path / "told.jsonl", tmp_path / "broken"
    program = script(tmp_path / "hook", f'[ -e {broken} ] && exit 3\ncat >> "{told}"')
    broker = brokers.mosquitto(tmp_path, free_port())
    settings = Settings.model_validate(
        {
            "appliance": {"state_dir": tmp_path / "state"},
            "mqtt": broker.settings,
            "hook": HookSettings(command=(str(program),), after_s=1.0),
            "mail": mail_settings(mail.port, mail.certificates, "starttls", after_s=3.0),
            "alerting": {"deliver_s": 3600, "offer_s": 3600, "publish_s": 3600},
        }
    )

    def by_hook() -> list[str]:
        return [json.loads(line)["status"] for line in told.read_text().splitlines()] if told.exists() else []

    def by_mail() -> list[str]:
        return [m["X-Edge-Status"] for m in mail.taken]

    broken.touch()
    box = Box(settings)
    try:
        box.say(AlertStatus.PRELIMINARY)
        until(lambda: by_mail() == ["preliminary"], "the mail")
        wrong = {Mode.BROKER_AWAY, Mode.SECOND_CHANNEL_FAILING, Mode.PAGES_UNANSWERED}
        until(lambda: wrong <= set(box.pulse.conditions.now.names), "the modes that hold")
        box.stop()
        broken.unlink()
        box.start()
        until(lambda: by_hook() == ["preliminary"], "the command, which failed before the restart")
        box.say(AlertStatus.CONFIRMED)
        until(lambda: by_hook()[1:] == by_mail()[1:] == ["confirmed"], "the upgrade on both")
        page = [json.loads(line) for line in told.read_text().splitlines()]
        assert {p["alert_id"] for p in page} == {m["X-Edge-Alert-Id"] for m in mail.taken} == {"a1"}
        broker.start()
        until(lambda: Mode.BROKER_AWAY not in box.pulse.conditions.now.names, "the broker is back")
        hooked = [h for h in box.happenings if isinstance(h, NoticeTold)]
        assert sorted((h.channel, h.status) for h in hooked) == [
            *(("hook", s) for s in ("confirmed", "preliminary")),
            *(("mail", s) for s in ("confirmed", "preliminary")),
        ]
    finally:
        box.stop()
        broker.kill()
