from __future__ import annotations

import io
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from edge import check
from edge.domain.degraded import CONSEQUENCES, Mode
from edge.settings import Settings
from edge.telemetry.emit import Emitter
from edge.telemetry.endpoint import Health, TelemetryEndpoint
from edge.telemetry.events import ApplianceStarted
from tests.fakes.clock import FakeClock
from tests.unit.test_check import WELL


def on_ports(dicom: int, receiver: int, agent: int, host: str = "127.0.0.1") -> Settings:
    telemetry = {"host": host, "receiver_port": receiver, "agent_port": agent}
    return Settings.model_validate({"dicom": {"port": dicom, "host": host}, "telemetry": telemetry})


def test_free_ports_are_fine(free_port: Callable[[], int]) -> None:
    settings = on_ports(free_port(), free_port(), free_port())
    dicom = check.dicom(settings, WELL, FakeClock())
    assert (dicom.ok, dicom.detail) == (True, f"port {settings.dicom.port} is free, no receiver is running")
    metrics = check.metrics(settings, WELL, FakeClock())
    assert metrics.ok is True
    assert "agent is not running" in metrics.detail


def test_a_listener_on_the_dicom_port_is_echoed(free_port: Callable[[], int]) -> None:
    asked: list[tuple[str, int, str]] = []

    def echo(host: str, port: int, title: str) -> str:
        asked.append((host, port, title))
        return "answers"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = on_ports(port, free_port(), free_port(), host="0.0.0.0")
        assert check.dicom(settings, replace(WELL, echo=echo), FakeClock()).detail == "answers"
    assert asked == [("127.0.0.1", port, "EDGE")]


def test_our_own_metrics_are_known_and_a_strangers_port_is_refused(free_port: Callable[[], int]) -> None:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    emitter.emit(ApplianceStarted("agent", "0.1.0"))
    ours = TelemetryEndpoint("127.0.0.1", 0, emitter.registry, lambda: Health(ok=True))
    try:
        found = check.metrics(on_ports(free_port(), free_port(), ours.port), WELL, FakeClock())
        assert found.ok is True
        assert f"agent answers on {ours.port}" in found.detail
    finally:
        ours.close()
    stranger = TelemetryEndpoint("127.0.0.1", 0, Emitter("x").registry, lambda: Health(ok=True))
    try:
        found = check.metrics(on_ports(free_port(), stranger.port, free_port()), WELL, FakeClock())
        assert (found.ok, found.hint) == (False, "Set telemetry.receiver_port to a free port.")
    finally:
        stranger.close()


def test_an_address_of_another_machine_cannot_be_had(free_port: Callable[[], int]) -> None:
    settings = on_ports(free_port(), free_port(), free_port(), host="192.0.2.1")
    assert check.dicom(settings, WELL, FakeClock()).ok is False


@pytest.mark.parametrize(
    ("modes", "ok"),
    [("", True), ("audit_behind", None), ("disk_scarce, audit_behind", None), ("broker_away", False)],
)
def test_the_modes_the_running_agent_is_in_are_told_and_urgent_ones_fail(
    modes: str, ok: bool | None, free_port: Callable[[], int]
) -> None:
    agent = TelemetryEndpoint(
        "127.0.0.1", 0, Emitter("agent").registry, lambda: Health(ok=True, facts={"modes": modes})
    )
    try:
        found = check.modes(on_ports(free_port(), free_port(), agent.port), WELL, FakeClock())
    finally:
        agent.close()
    assert found.ok is ok
    assert all(f"{m}: {CONSEQUENCES[Mode(m)].fault}" in found.detail for m in modes.split(", ") if m)
    assert (CONSEQUENCES[Mode(modes.split(", ")[0])].ops in found.hint) if modes else not found.hint


def test_an_agent_that_does_not_run_is_in_no_mode(free_port: Callable[[], int]) -> None:
    found = check.modes(on_ports(free_port(), free_port(), free_port()), WELL, FakeClock())
    assert (found.ok, found.detail) == (True, "the agent is not running, so it is in no degraded mode")


@pytest.mark.parametrize("waiting", [0, 8])
def test_a_port_that_listens_and_never_answers_is_not_well(
    waiting: int, free_port: Callable[[], int]
) -> None:
    with ExitStack() as stack:
        frozen = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2))
        port = frozen.getsockname()[1]
        for _ in range(waiting):  # as scrapes do, until its backlog is full
            asking = stack.enter_context(socket.socket())
            asking.setblocking(False)
            asking.connect_ex(("127.0.0.1", port))
        settings = on_ports(free_port(), free_port(), port)
        for found in (check.metrics(settings, WELL, FakeClock()), check.modes(settings, WELL, FakeClock())):
            assert found.ok is False
            assert found.detail == f"whoever holds {port} does not answer: is the agent frozen?"
            assert "restart" in found.hint


def test_an_agent_that_is_dead_under_a_running_receiver_is_not_well(free_port: Callable[[], int]) -> None:
    emitter = Emitter("receiver", "json", "error", io.StringIO())
    emitter.emit(ApplianceStarted("receiver", "0.1.0"))
    receiver = TelemetryEndpoint("127.0.0.1", 0, emitter.registry, lambda: Health(ok=True))
    try:
        found = check.modes(on_ports(free_port(), receiver.port, free_port()), WELL, FakeClock())
    finally:
        receiver.close()
    assert found.ok is False
    assert "the receiver runs and the agent does not" in found.detail
