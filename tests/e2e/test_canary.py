"""The proof of life on the whole appliance: proven, flagged, in no figure; each part frozen in turn is named.

Frozen, not killed: what is stopped by SIGSTOP still has its port and its place in every list of processes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.domain.canary import Part, Verdict
from edge.imaging.phantom import Acquisition, head_phantom
from edge.mqtt.message import CanaryMessage
from edge.mqtt.subscriber import AlertSubscriber
from edge.spool.verdict_file import latest_verdict
from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.timeout(2400)]


def slowness() -> float:
    """How much slower than two quiet cores this machine is just now, at least 1."""
    began = time.monotonic()
    head_phantom(1, acquisition=Acquisition(rows=256, columns=256, pixel_spacing_mm=0.9, slices=20))
    return min(4.0, max(1.0, (time.monotonic() - began) / 0.6))


class Watched:
    """An appliance with a canary every `period_s`, and what was said of it."""

    def __init__(self, appliance: Callable[..., Appliance], **settings: object) -> None:
        slow = slowness()
        self.timeout_s, self.period_s = 8 * slow, 20 * slow
        print(f"{slow:.1f} times slower than quiet: a period of {self.period_s:.0f} s")
        times = {
            "EDGE_CANARY__PERIOD_S": f"{self.period_s:.1f}",
            "EDGE_CANARY__TIMEOUT_S": f"{self.timeout_s:.1f}",
        }
        self.box = appliance(**times, **settings)
        topic = f"{self.box.settings.mqtt.topic_prefix}/{self.box.settings.appliance.name}/notice"
        self.ops = AlertSubscriber(self.box.settings.mqtt, "test-ops", [topic], SystemClock())
        self.ops.start()
        assert self.ops.wait_subscribed(10)

    def until(self, part: Part | None, since: float, within_s: float) -> Verdict:
        """The first verdict after `since` that blames `part`."""
        deadline = time.monotonic() + within_s
        verdict = None
        while time.monotonic() < deadline:
            verdict = latest_verdict(self.box.state_dir)
            if verdict is not None and verdict.at.timestamp() > since and verdict.part is part:
                return verdict
            time.sleep(0.1)
        raise AssertionError(f"no verdict {part} within {within_s:.0f} s, the last is {verdict}")

    def until_proven(self) -> Verdict:
        return self.until(None, time.time(), 6 * self.period_s)

    def notice(self, within_s: float = 15.0) -> CanaryMessage:
        came = self.ops.receive(within_s)
        assert came is not None, "ops are told over the broker"
        assert isinstance(came.message, CanaryMessage)
        return came.message

    def agent_says(self, path: str) -> str:
        port = self.box.settings.telemetry.agent_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
            return answer.read().decode()


@pytest.fixture
def watched(appliance: Callable[..., Appliance]) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(**settings: object) -> Watched:
        made.append(Watched(appliance, **settings))
        return made[-1]

    yield make
    for one in made:
        one.ops.close()


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def pid_of(box: Appliance, part: Part) -> int:
    if part is Part.BROKER:
        return box.broker.pid
    if part is Part.PAGER:
        watch = box.pid("canary")
        (pager,) = Path(f"/proc/{watch}/task/{watch}/children").read_text().split()
        return int(pager)
    return box.pid(str(part))


def edge_canary(box: Appliance) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "canary"],
        env={**box.environment, "EDGE_CANARY__TIMEOUT_S": "60", "EDGE_CANARY__PERIOD_S": "0"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_canary_is_proven_flagged_everywhere_and_in_no_clinical_figure(
    appliance: Callable[..., Appliance],
) -> None:
    box = appliance(EDGE_CANARY__PERIOD_S="0", EDGE_DICOM__CALLING_AE_TITLES='["CT_ER_1"]')
    told = edge_canary(box)
    print(told.stdout, told.stderr)
    assert told.returncode == 0, told.stdout + told.stderr
    for stage in (
        "receiver: all slices",
        "CONFIRMED page in the outbox",
        "taken by",
        "received",
        "answer to",
    ):
        assert stage in told.stdout
    assert "\nproven: " in told.stdout
    box.pager.listen(2)
    assert (box.pager.alerts, box.pager.results) == ([], []), "no clinical pager hears of it"
    port = box.settings.telemetry.agent_port
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read().decode()
    samples = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    clinical = {
        n: v for n, v in samples.items() if n.startswith(("edge_series_se", "edge_alerts_", "edge_last"))
    }
    assert clinical
    assert {n: v for n, v in clinical.items() if float(v) and "le=" not in n} == {}
    assert float(samples['edge_test_alerts_total{status="confirmed"}']) == 1
    (series,) = {
        json.loads(line)["series"]
        for line in box.log("agent").splitlines()
        if line.startswith("{") and json.loads(line).get("event") == "series_opened"
    }
    shown = subprocess.run(
        [sys.executable, "-m", "edge", "show", series],
        env=box.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert shown.startswith("TEST series ")
    assert "test yes" in shown
    deadline = time.monotonic() + 90
    while list((box.state_dir / "inbox").rglob("*.dcm")):
        assert time.monotonic() < deadline, "retention removes its images soon"
        time.sleep(0.5)


def test_whatever_is_frozen_is_named_within_one_period_and_it_is_over_when_it_thaws(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    hook, told = tmp_path / "hook", tmp_path / "told.jsonl"
    hook.write_text(f'#!/bin/sh\ncat >> "{told}"\n')
    hook.chmod(0o755)
    watch = watched(
        EDGE_TRITON__FALLBACK="false", EDGE_TRITON__DEADLINE_S="2", EDGE_HOOK__COMMAND=json.dumps([str(hook)])
    )
    watch.until_proven()
    for part in (Part.RECEIVER, Part.TRITON, Part.PAGER, Part.AGENT, Part.BROKER):
        since = time.time()
        with frozen(pid_of(watch.box, part)):
            verdict = watch.until(part, since, 2 * watch.period_s)
            took_s = verdict.at.timestamp() - since
            print(f"{part} frozen: told after {took_s:.1f} of {watch.period_s:.0f} s: {verdict}")
            assert took_s <= watch.period_s
            if part is not Part.BROKER:
                message = watch.notice()
                assert (message.proven, message.part) == (False, part)
            if part not in (Part.AGENT, Part.BROKER):
                time.sleep(2)  # the agent looks every second
                assert f'edge_canary_failing{{part="{part}"}} 1.0' in watch.agent_says("metrics")
                assert json.loads(watch.agent_says("healthz"))["canary"] == part
        watch.until_proven()
        if part is not Part.BROKER:
            while not watch.notice().proven:
                pass
    log = watch.box.log("canary")
    assert [p for p in Part if p is not Part.OUTBOX and f'"part": "{p}"' not in log] == []
    deadline = time.monotonic() + 15
    while (blamed := [json.loads(line)["part"] for line in told.read_text().splitlines()])[-1] is not None:
        assert time.monotonic() < deadline, "staff are told when it is over"
        time.sleep(0.1)
    assert blamed.count("broker") == 1, "the broker could not tell of itself"


def test_a_triton_that_is_frozen_behind_a_fallback_is_named_though_its_page_arrives(
    watched: Callable[..., Watched],
) -> None:
    watch = watched(EDGE_TRITON__DEADLINE_S="2")
    before = watch.until_proven()
    since = time.time()
    with frozen(pid_of(watch.box, Part.TRITON)):
        verdict = watch.until(Part.TRITON, since, 4 * watch.period_s)
        while verdict.reason != "degraded":  # the first may not have waited for the worker to start
            verdict = watch.until(Part.TRITON, verdict.at.timestamp(), 4 * watch.period_s)
    assert verdict.proven_at is not None
    assert before.proven_at is not None
    assert verdict.proven_at > before.proven_at, "pages do reach pagers meanwhile"


class Strait:
    """Everything between the appliance and its broker, where one client's words may be held up."""

    def __init__(self, port: int, broker_port: int, client_id: str) -> None:
        self._broker_port, self._client_id = broker_port, client_id.encode()
        self.held = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._broker_port))
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pass_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(far, near, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, outwards: bool) -> None:
        ours = None
        with closing(source), closing(target):
            try:
                while data := source.recv(65536):
                    if (
                        ours is None
                    ):  # CONNECT holds the client identifier behind its length (MQTT 5, 3.1.3.1)
                        size = len(self._client_id).to_bytes(2, "big")
                        ours = outwards and size + self._client_id in data
                    while ours and self.held.is_set():
                        time.sleep(0.05)
                    target.sendall(data)
            except OSError:
                return


def test_an_outbox_that_stands_still_beside_a_broker_that_is_well_is_named(
    watched: Callable[..., Watched], free_port: Callable[[], int]
) -> None:
    near, far = free_port(), free_port()
    with closing(Strait(near, far, client_id="demo")) as strait:
        watch = watched(EDGE_MQTT__PORT=str(near), EDGE_MQTT__KEEPALIVE_S="600", broker_port=far)
        assert watch.box.settings.appliance.name == "demo", "the publisher's client identifier"
        watch.until_proven()
        since = time.time()
        strait.held.set()
        verdict = watch.until(Part.OUTBOX, since, 2 * watch.period_s)
        assert verdict.at.timestamp() - since <= watch.period_s
        message = watch.notice()
        assert (message.part, message.reason) == (Part.OUTBOX, "not_published")
        strait.held.clear()
        watch.until_proven()
