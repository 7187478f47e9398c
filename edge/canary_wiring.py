"""The canary made from settings: its sender, its test pager, whom it asks and whom it tells."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from edge import __version__
from edge.canary import Canary, Run, Surroundings
from edge.clock import SystemClock
from edge.dicom.canary_sender import CanarySender
from edge.domain.canary import CANARY_ROLE, Evidence, Part, Verdict
from edge.domain.identity import SeriesInstanceUID
from edge.errors import NotPublished, RetryPeer, where
from edge.launch import LaunchSpec
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.notice import publish_notice
from edge.mqtt.subscriber import AlertSubscriber
from edge.second_channel_wiring import canary_alarms
from edge.settings import Settings
from edge.settings_canary import CanarySettings
from edge.signals import stop_requested
from edge.spool.canary_evidence import look
from edge.spool.identity_key import appliance_key
from edge.spool.ledger_copy import reading_ledger
from edge.spool.lock import exclusive
from edge.spool.verdict_file import keep_verdict, latest_verdict
from edge.supervisor import Supervisor
from edge.telemetry.emit import Emitter
from edge.telemetry.events import (
    ApplianceStarted,
    ApplianceStopping,
    Happening,
    PublishFailed,
    TaskFailed,
)
from edge.telemetry.proof_events import CanaryFailed, CanaryProven
from edge.watchdog import Watchdog

# A start of the whole appliance takes about this long; a canary before its end would blame it.
FIRST_S = 30.0
# A failed canary is soon tried again, so that the alarm ends when the fault does.
AGAIN_S = 60.0
LEAST_PAUSE_S = 1.0
_ASK_S = 3.0
_PAGER_READY_S = 15.0

Alarm = Callable[[Verdict], None]

# What the looks after a time-out and the telling take of a period.
_TELLING, _LONGEST_TELLING_S = 0.15, 5.0


def watch_canary(settings: Settings, environment: Mapping[str, str], alarms: Sequence[Alarm] = ()) -> None:
    """`edge canary --watch` until SIGTERM or SIGINT.

    Every verdict is kept, logged and given to the notice on the broker, the second channels and `alarms`, in
    this process, without agent or outbox; an alarm that raises does not keep the others from it.
    """
    emitter = Emitter("canary", settings.telemetry.log_format, settings.telemetry.log_level)
    stopping, state_dir, period_s = stop_requested(), settings.appliance.state_dir, settings.canary.period_s
    with (
        exclusive(state_dir, "canary"),
        pager_of(settings, environment, lambda _: None),
        canary_alarms(settings, before := latest_verdict(state_dir), emitter.emit) as elsewhere,
    ):
        canary = canary_of(settings, stopping, before.proven_at if before else None)
        teller = Teller(state_dir, emitter.emit, (*elsewhere, Notice(settings, emitter.emit), *alarms))
        watchdog = Watchdog(("canary",))
        watchdog.ready()
        watchdog.allow(3 * max(period_s, settings.canary.timeout_s))
        emitter.emit(ApplianceStarted("canary", __version__, f"every {period_s:g} s"))
        clock, pause_s = SystemClock(), min(FIRST_S, period_s)
        while not stopping.wait(pause_s if settings.canary.on else None):
            began = clock.monotonic()
            try:
                run = canary.run()
                if run is not None:
                    teller.tell(run.verdict)
                failed = run is not None and run.verdict.failed
                watchdog.turned("canary")
            except Exception as error:  # noqa: BLE001 - boundary: the watch goes on; the gauge of its age tells
                emitter.emit(TaskFailed("canary", where(error)))
                failed = True
            pause_s = max(LEAST_PAUSE_S, _due_s(settings.canary, failed) - (clock.monotonic() - began))
        emitter.emit(ApplianceStopping("canary", "signal"))


def _due_s(settings: CanarySettings, failed: bool) -> float:
    """From the start of one run to the next: so soon that a fault is told within a period."""
    telling_s = min(_LONGEST_TELLING_S, _TELLING * settings.period_s)
    due_s = settings.period_s - settings.timeout_s - telling_s
    return min(AGAIN_S, due_s) if failed else due_s


def run_canary(settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]) -> Run:
    """One canary now; raises FixConfiguration where no agent ever ran, or a pager cannot be had."""
    state_dir = settings.appliance.state_dir
    with reading_ledger(state_dir):
        pass
    before = latest_verdict(state_dir)
    canary = canary_of(settings, threading.Event(), before.proven_at if before else None)
    with pager_of(settings, environment, say, name="canary-now"):
        run = canary.run()
    assert run is not None, "nobody stops it"
    keep_verdict(state_dir, run.verdict)
    return run


def canary_of(settings: Settings, stopping: threading.Event, proven_at: Any = None) -> Canary:
    state_dir, clock = settings.appliance.state_dir, SystemClock()
    timeout_s = settings.canary.timeout_s
    sender = CanarySender(settings.dicom, appliance_key(state_dir), clock, min(10.0, timeout_s / 3))

    def seen(series: SeriesInstanceUID, instances: int, acknowledged: bool) -> Evidence:
        return look(state_dir, series, instances, acknowledged=acknowledged)

    around = Surroundings(
        sender.send, seen, lambda part: well(settings, part), clock, lambda s: stopping.wait(s)
    )
    return Canary(around, timeout_s, proven_at)


@contextmanager
def pager_of(
    settings: Settings, environment: Mapping[str, str], say: Callable[[str], None], name: str = "canary"
) -> Generator[None]:
    """A test pager in a process of its own, supervised; none where the site has its own."""
    if settings.canary.pager == "external":
        yield
        return
    log_dir = settings.appliance.state_dir / "logs"
    log = log_dir / f"{name}-pager.log"
    old = log.stat().st_size if log.exists() else 0
    spec = LaunchSpec(
        name=f"{name}-pager",
        argv=(sys.executable, "-m", "edge", "pager", "--role", CANARY_ROLE, "--name", name, "--no-bell"),
        environment=environment,
        ready=lambda: log.exists() and b"pager of" in log.read_bytes()[old:],
        stop_timeout_s=2.0,
    )
    supervisor = Supervisor(log_dir, SystemClock(), say)
    try:
        try:
            supervisor.start([spec], _PAGER_READY_S)
        except RetryPeer as error:
            say(f"{error}. {error.advice}")  # the broker is away: the pager is tried again and again
        yield
    finally:
        supervisor.stop()


def well(settings: Settings, part: Part) -> bool:
    """Whether a part works by itself, whatever became of the canary."""
    if part is Part.BROKER:
        return _broker_answers(settings)
    facts = agent_facts(settings)
    if part is Part.AGENT:
        return bool(facts.get("ok"))
    # What the agent says of Triton; where it says nothing, it is the agent that is to blame.
    return facts.get("triton", "serving") == "serving"


def agent_facts(settings: Settings) -> Mapping[str, Any]:
    """What the agent's /healthz says; nothing when it does not answer."""
    url = settings.canary.agent_healthz or _default_healthz(settings)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_ASK_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _facts(error.read())
    except (OSError, ValueError, http.client.HTTPException):
        return {}


def _facts(body: bytes) -> Mapping[str, Any]:
    try:
        return dict(json.loads(body))
    except (ValueError, TypeError):
        return {}


def _default_healthz(settings: Settings) -> str:
    host = settings.telemetry.host
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared
    return f"http://{reachable}:{settings.telemetry.agent_port}/healthz"


def _broker_answers(settings: Settings) -> bool:
    topic = f"{settings.mqtt.topic_prefix}/{settings.appliance.name}/status"
    name = f"{settings.appliance.name}-canary-ask"
    with closing(AlertSubscriber(settings.mqtt, name, [topic], SystemClock())) as asking:
        asking.start()
        return asking.wait_subscribed(_ASK_S)


class Teller:
    """Keeps each verdict and tells of it: in the log every time, to the alarms too."""

    def __init__(self, state_dir: Path, emit: Callable[[Happening], None], alarms: Sequence[Alarm]) -> None:
        self._state_dir, self._emit, self._alarms = state_dir, emit, alarms

    def tell(self, verdict: Verdict) -> None:
        if verdict.part is None:
            self._emit(CanaryProven(verdict.took_s))
        else:
            self._emit(CanaryFailed(verdict.part, verdict.stage, verdict.reason, verdict.took_s))
        for act in (partial(keep_verdict, self._state_dir), *self._alarms):
            try:
                act(verdict)
            except Exception as error:  # noqa: BLE001 - boundary: one way that fails must not close the others
                self._emit(TaskFailed("canary_alarm", where(error)))


class Notice:
    """Tells ops over the broker when a canary fails for another reason than before, and when it is over."""

    def __init__(self, settings: Settings, emit: Callable[[Happening], None]) -> None:
        self._settings, self._emit = settings, emit
        self._messages = AlertMessages(settings)
        self._said: Part | None = None

    def __call__(self, verdict: Verdict) -> None:
        if verdict.part == self._said:
            return
        name = f"{self._settings.appliance.name}-canary-notice"
        try:
            publish_notice(self._settings.mqtt, name, self._messages.canary(verdict), _ASK_S)
        except NotPublished as error:
            self._emit(PublishFailed(error.reason, 1))
        else:
            self._said = verdict.part


def environment_of(config: Path | None) -> Mapping[str, str]:
    """For a pager of the same settings as this process."""
    return {**os.environ, **({"EDGE_CONFIG": str(config.resolve())} if config is not None else {})}
