"""Pages that nobody answers, on a real Mosquitto: escalated, acknowledged across restarts, never forgotten.

The paging half of the agent as it is wired, with its ledger on disk; alerts come from the test, so that
no model has to run.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.domain.acknowledgement import Answer
from edge.domain.lifecycle import Stage
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.message import AlertMessage
from edge.mqtt.subscriber import AlertSubscriber, Received
from edge.paging_wiring import publishing
from edge.pulse import Pulse
from edge.settings import ApplianceSettings, Settings
from edge.settings_alerting import AlertingSettings, EscalationStep
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import AlertUnanswered, Happening
from tests.contract import brokers
from tests.statements import alert

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(120)]

CLOCK = SystemClock()
PLAN = (
    EscalationStep(role="stroke", wait_s=1.5),
    EscalationStep(role="oncall", wait_s=1.5),
    EscalationStep(role="all", wait_s=1.5),
)


class Box:
    """The paging half of an agent in a thread, which may be stopped and started on the same ledger."""

    def __init__(self, folder: Path, broker: brokers.BrokerProcess, **alerting: float) -> None:
        times = {"publish_s": 60.0, "deliver_s": 60.0, "offer_s": 60.0, **alerting}
        self.settings = Settings(
            appliance=ApplianceSettings(state_dir=folder),
            mqtt=broker.settings,
            alerting=AlertingSettings.model_validate({"critical": PLAN, **times}),
        )
        self.happenings: list[Happening] = []
        self._folder = folder
        self.start()

    def start(self) -> None:
        rules = self.settings.alerting.rules
        self.ledger = SqliteLedger(self._folder, clock=CLOCK, rules=rules)
        self._loop, self._up = asyncio.new_event_loop(), threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._up.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(30)
        self._loop.close()
        self.ledger.close()

    def pages(self) -> None:
        said = alert()
        self.ledger.alert(said, AlertMessages(self.settings).alert(said))

    def until(self, stage: Stage, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while (followed := self.ledger.alerts.followed("a1")) is None or followed.life.stage is not stage:
            assert time.monotonic() < deadline, f"not {stage}: {followed}"
            time.sleep(0.05)

    def told(self, kind: type[Happening], timeout_s: float = 30) -> Happening:
        deadline = time.monotonic() + timeout_s
        while not (found := [h for h in self.happenings if isinstance(h, kind)]):
            assert time.monotonic() < deadline, f"no {kind.__name__}"
            time.sleep(0.05)
        return found[0]

    async def _run(self) -> None:
        pulse = Pulse(self.happenings.append, CLOCK)
        messages = AlertMessages(self.settings)
        async with publishing(self.settings, self.ledger, messages, pulse, CLOCK):
            self._up.set()
            await self._stopping.wait()


class Site:
    """A broker, and pagers that may answer."""

    def __init__(self, folder: Path, port: int, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        kept = (
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        )
        self.broker = brokers.mosquitto(folder, port, *kept)
        self.broker.start()
        stack.callback(self.broker.kill)

    def box(self, **alerting: float) -> Box:
        made = Box(self._folder, self.broker, **alerting)
        self._stack.callback(made.stop)
        return made

    def pager(self, *topics: str) -> AlertSubscriber:
        filters = [f"edge/v1/edge-1/{t}" for t in topics]
        made = AlertSubscriber(self.broker.settings, f"pager-{topics[0][-6:]}", filters, CLOCK)
        made.start()
        self._stack.callback(made.close)
        assert made.wait_subscribed(10)
        return made

    def loses_its_state(self) -> None:
        """kill -9, and its disk is gone as well."""
        self.broker.kill()
        for database in self._folder.glob("mosquitto.db*"):
            database.unlink()
        self.broker.start()


@pytest.fixture
def site(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, free_port(), stack)


def page_of(pager: AlertSubscriber, timeout_s: float = 30) -> Received:
    """The next page; its alert id is the same on every topic."""
    came = pager.receive(timeout_s)
    assert came is not None, "no page"
    assert isinstance(came.message, AlertMessage)
    assert came.message.alert_id == "a1"
    return came


def test_a_page_not_acknowledged_rings_the_second_role_then_all_then_alarms(site: Site) -> None:
    pager, oncall, everyone = (site.pager(t) for t in ("alert/critical", "role/oncall", "role/all"))
    box = site.box()
    box.pages()
    first = page_of(pager)
    pager.answer(first, Answer.DELIVERED, "stroke", "pager-1", 10)
    second, third = page_of(oncall), page_of(everyone)
    assert isinstance(second.message, AlertMessage)
    assert isinstance(third.message, AlertMessage)
    assert second.message.escalation is not None
    assert (second.message.escalation.role, second.message.escalation.reason) == ("oncall", "no_answer")
    assert third.message.escalation is not None
    assert third.message.escalation.step == 2
    assert isinstance(box.told(AlertUnanswered), AlertUnanswered)
    everyone.answer(third, Answer.ACKNOWLEDGED, "all", "dr-7", 10)
    box.until(Stage.ACKNOWLEDGED)


def test_an_answer_while_agent_and_broker_restart_is_not_lost(site: Site) -> None:
    pager = site.pager("alert/critical")
    box = site.box()
    box.pages()
    came = page_of(pager)
    box.until(Stage.PUBLISHED)
    box.stop()
    pager.answer(came, Answer.ACKNOWLEDGED, "stroke", "dr-7", 10)
    time.sleep(1.5)  # Mosquitto writes its sessions down once a second
    site.broker.kill()
    site.broker.start()
    box.start()
    box.until(Stage.ACKNOWLEDGED)


def test_a_page_of_before_is_answered_after_agent_and_broker_restarted(site: Site) -> None:
    pager = site.pager("alert/critical")
    box = site.box()
    box.pages()
    came = page_of(pager)
    box.until(Stage.PUBLISHED)
    box.stop()
    site.broker.kill()
    site.broker.start()
    box.start()
    assert pager.wait_subscribed(20)
    pager.answer(came, Answer.ACKNOWLEDGED, "stroke", "dr-7", 20)
    box.until(Stage.ACKNOWLEDGED)
    box.stop()
    box.start()
    box.until(Stage.ACKNOWLEDGED)


def test_where_nobody_subscribes_the_next_role_is_rung_at_once(site: Site) -> None:
    everyone = site.pager("role/all")
    box = site.box()
    began = time.monotonic()
    box.pages()
    came = page_of(everyone)
    assert isinstance(came.message, AlertMessage)
    assert came.message.escalation is not None
    assert came.message.escalation.reason == "nobody_listens"
    assert time.monotonic() - began < box.settings.alerting.publish_s / 2, "no timer was waited for"


def test_a_page_the_broker_forgot_is_offered_until_a_pager_answers(site: Site) -> None:
    pager = site.pager("alert/critical")
    box = site.box(offer_s=1.0)
    box.pages()
    came = page_of(pager)
    box.until(Stage.PUBLISHED)
    for _ in range(2):
        site.loses_its_state()
        again = page_of(pager)
        assert again.key == came.key, "the same page, so a pager that knows it need not ring twice"
    # The copy may be one that was offered before the second loss.
    assert pager.wait_subscribed(20)
    pager.answer(again, Answer.DELIVERED, "stroke", "pager-1", 10)
    box.until(Stage.DELIVERED)
    while pager.receive(3) is not None:
        pass  # offered before the answer was there; the test's time limit ends it if that goes on


def test_the_pager_of_the_terminal_answers_once_and_says_so(site: Site) -> None:
    box = site.box()
    environment = {
        **os.environ,
        "EDGE_MQTT__PORT": str(site.broker.settings.port),
        "EDGE_ALERTING__CRITICAL": '[{"role": "stroke"}]',
    }
    command = [sys.executable, "-m", "edge", "pager", "--role", "stroke", "--name", "dr-7"]
    started = [*command, "--auto", "--once", "--timeout", "40"]
    with subprocess.Popen(started, env=environment, stdout=subprocess.PIPE, text=True) as pager:
        assert pager.stdout is not None
        assert "research use" in pager.stdout.readline()
        box.pages()
        said = pager.stdout.read()
    assert pager.returncode == 0
    assert "CRITICAL PRELIMINARY Intracranial hemorrhage" in said
    assert "acknowledged by stroke/dr-7" in said
    box.until(Stage.ACKNOWLEDGED)


def test_a_pager_nobody_pages_ends_with_69_and_one_without_a_role_with_78(site: Site) -> None:
    environment = {**os.environ, "EDGE_MQTT__PORT": str(site.broker.settings.port)}
    ends: list[tuple[int, str]] = []
    for role in ("on-call", "nobody"):
        command = [
            sys.executable,
            "-m",
            "edge",
            "pager",
            "--role",
            role,
            "--auto",
            "--once",
            "--timeout",
            "1",
        ]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        ends.append((ended.returncode, ended.stderr))
    assert [code for code, _ in ends] == [69, 78]
    assert "no page was answered within 1 s" in ends[0][1]
    assert "stroke-team, on-call, all" in ends[1][1]


def test_a_page_nobody_acknowledges_expires_with_an_alarm(site: Site) -> None:
    site.pager("alert/critical")
    box = site.box(lifetime_s=1.0, publish_s=1.0, deliver_s=1.0)
    box.pages()
    box.until(Stage.EXPIRED)
    deadline = time.monotonic() + 10
    while AlertUnanswered("a1", "bleed", "expired") not in box.happenings:
        assert time.monotonic() < deadline
        time.sleep(0.05)
