"""`edge demo`: the appliance, a virtual scanner and a pager, and what happened when."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.clock import SystemClock
from edge.dicom.send_plan import PhantomSource, SendPlan
from edge.dicom.sender import SendReport, run
from edge.domain.acknowledgement import Answer
from edge.domain.alert import AlertStatus
from edge.domain.identity import AETitle
from edge.domain.outcome import OutcomeKind
from edge.errors import EdgeError, RetryPeer
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from edge.mqtt.message import AlertMessage, ResultMessage
from edge.mqtt.subscriber import AlertSubscriber, Received, format_page
from edge.mqtt.topics import filters
from edge.settings import Settings
from edge.settings_source import load_settings
from edge.up import start_appliance

SEED = 7
BLEED = Bleed(BleedType.INTRAPARENCHYMAL, volume_ml=30.0)
SLICES_PER_S = 5.0
# How long a page or a result may take after the last slice before the demo gives up.
PATIENCE_S = 30.0
_KEPT = "triton"

Say = Callable[[str], None]


def run_demo(environment: Mapping[str, str], say: Say) -> None:
    """Raises an EdgeError when a page or the result did not reach the subscriber."""
    state_dir = demo_state_dir()
    _forget_last_run(state_dir)
    environment = {**environment, **demo_environment(state_dir)}
    settings = load_settings(None, environment)
    say("edge demo (research use, not for clinical use): a synthetic head, no patient")
    supervisor = start_appliance(settings, environment, say)
    pager = AlertSubscriber(settings.mqtt, "demo-pager", filters(settings.mqtt.topic_prefix), SystemClock())
    try:
        pager.start()
        if not pager.wait_subscribed(10.0):
            raise RetryPeer("the pager could not subscribe", hint=f"See {state_dir / 'logs' / 'broker.log'}.")
        _bleed(settings, pager, say)
        _no_bleed(settings, pager, say)
    except EdgeError as error:
        raise RetryPeer(str(error), hint=error.advice or f"See the logs in {state_dir / 'logs'}.") from error
    finally:
        pager.close()
        supervisor.stop()
    say("\ndone: both heads ended as they should")


def _bleed(settings: Settings, pager: AlertSubscriber, say: Say) -> None:
    source = PhantomSource(seed=SEED, bleeds=(BLEED,), uid_seed=str(uuid.uuid4()))
    first_blood = _first_slice_with_blood()
    blood = f"{BLEED.volume_ml:.0f} mL of blood, first on slice {first_blood + 1}"
    say(f"\nA scanner sends 36 slices at {SLICES_PER_S:.0f} a second; {blood}.")
    scan = _Scan(_plan(settings, source, SLICES_PER_S))
    pages: dict[AlertStatus, Received] = {}
    while AlertStatus.CONFIRMED not in pages:
        came = scan.next_message(pager)
        if isinstance(came.message, AlertMessage):
            pages[came.message.status] = came
            pager.answer(came, Answer.ACKNOWLEDGED, "stroke-team", "demo-pager", PATIENCE_S)
            say(f"{came.at:%H:%M:%S.%f}"[:-3] + f"  {format_page(came.message)}")
    report = scan.report()
    if AlertStatus.PRELIMINARY not in pages:
        raise RetryPeer(
            "the bleed was confirmed without a PRELIMINARY page before", hint="The box may be too slow."
        )
    last = report.instances[-1].answered_utc
    moments = [
        Moment("first slice stored", report.instances[0].answered_utc),
        Moment("first slice with blood stored", report.instances[first_blood].answered_utc),
        Moment("PRELIMINARY page received", pages[AlertStatus.PRELIMINARY].at),
        Moment("last slice stored", last),
        Moment("CONFIRMED page received", pages[AlertStatus.CONFIRMED].at),
    ]
    say("\n" + timeline(moments, last))


def _no_bleed(settings: Settings, pager: AlertSubscriber, say: Say) -> None:
    say("\nThe same scanner sends a head without a bleed.")
    source = PhantomSource(seed=SEED + 1, uid_seed=str(uuid.uuid4()))
    scan = _Scan(_plan(settings, source, SLICES_PER_S * 4))
    while True:
        came = scan.next_message(pager)
        if isinstance(came.message, AlertMessage) and came.message.status is not AlertStatus.CONFIRMED:
            raise RetryPeer("the head without a bleed was paged", hint="Report this: the model is wrong.")
        if isinstance(came.message, ResultMessage) and came.message.outcome is not OutcomeKind.FINDING:
            say(f"{came.at:%H:%M:%S.%f}"[:-3] + f"  {format_page(came.message)}")
            break
    scan.report()
    if came.message.outcome is not OutcomeKind.NO_FINDING:
        raise RetryPeer(f"the head without a bleed ended as {came.message.outcome}: {came.message.reason}")


@dataclass(frozen=True, slots=True)
class Moment:
    """One row of the timeline."""

    name: str
    at: datetime


def timeline(moments: list[Moment], zero: datetime) -> str:
    """A table in order of time: clock, seconds relative to `zero`, name."""
    rows = [f"{'UTC':<12}  {'to last slice':>13}"]
    for moment in sorted(moments, key=lambda m: m.at):
        relative = (moment.at - zero).total_seconds()
        rows.append(f"{moment.at:%H:%M:%S.%f}"[:-3] + f"  {relative:>+11.3f} s  {moment.name}")
    return "\n".join(rows)


class _Scan:
    """A scanner at work in a thread of its own."""

    def __init__(self, plan: SendPlan) -> None:
        self._report: SendReport | None = None
        self._error: EdgeError | None = None
        self._clock = SystemClock()
        self._thread = threading.Thread(target=self._send, args=(plan,), name="scanner", daemon=True)
        self._thread.start()

    def next_message(self, pager: AlertSubscriber) -> Received:
        """The next message; raises RetryPeer when none comes for too long after the last slice."""
        silent_since = self._clock.monotonic()
        while True:
            came = pager.receive(0.2)
            if came is not None:
                return came
            if self._error is not None:
                raise self._error
            if self._thread.is_alive():
                silent_since = self._clock.monotonic()
            elif self._clock.monotonic() - silent_since > PATIENCE_S:
                raise RetryPeer(f"nothing reached the pager within {PATIENCE_S:.0f} s of the last slice")

    def report(self) -> SendReport:
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._report is not None, "a scan without an error has a report"
        return self._report

    def _send(self, plan: SendPlan) -> None:
        try:
            self._report = run(plan, clock=self._clock)
        except EdgeError as error:
            self._error = error


def _plan(settings: Settings, source: PhantomSource, slices_per_s: float) -> SendPlan:
    return SendPlan(
        sources=(source,),
        host=settings.dicom.host,
        port=settings.dicom.port,
        called_ae_title=AETitle(settings.dicom.ae_title),
        calling_ae_title=AETitle("CT_DEMO"),
        slices_per_s=slices_per_s,
    )


def _first_slice_with_blood() -> int:
    """From the phantom's own truth, on a coarse matrix: the slices are the same."""
    coarse = Acquisition(rows=128, columns=128, pixel_spacing_mm=1.8)
    labels = head_phantom(SEED, bleeds=[BLEED], acquisition=coarse).labels_zyx
    return int(labels.any(axis=(1, 2)).argmax())


def demo_state_dir() -> Path:
    """Below the checkout; for an installed package below XDG_STATE_HOME."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").exists() and os.access(checkout, os.W_OK):
        return checkout / ".edge" / "demo"
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "edge-demo"


def demo_environment(state_dir: Path) -> dict[str, str]:
    """Settings of an appliance beside any other on this machine: own state, own free ports."""
    dicom, mqtt, grpc, http, triton_metrics, receiver, agent = (str(p) for p in _free_ports(7))
    return {
        "EDGE_APPLIANCE__NAME": "demo",
        # Shorter than the first canary: the demo is about one patient.
        "EDGE_CANARY__PERIOD_S": "0",
        "EDGE_APPLIANCE__STATE_DIR": str(state_dir),
        "EDGE_DICOM__PORT": dicom,
        "EDGE_DICOM__MIN_FREE_GIB": "0.2",
        "EDGE_MQTT__PORT": mqtt,
        "EDGE_TRITON__GRPC_URL": f"127.0.0.1:{grpc}",
        "EDGE_TRITON__HTTP_PORT": http,
        "EDGE_TRITON__METRICS_PORT": triton_metrics,
        "EDGE_TELEMETRY__RECEIVER_PORT": receiver,
        "EDGE_TELEMETRY__AGENT_PORT": agent,
    }


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _forget_last_run(state_dir: Path) -> None:
    """All but the installed Triton, which takes minutes to get."""
    if state_dir.is_dir():
        for entry in state_dir.iterdir():
            if entry.is_dir() and entry.name != _KEPT:
                shutil.rmtree(entry)
            elif not entry.is_dir():
                entry.unlink()
