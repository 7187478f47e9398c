from __future__ import annotations

import contextlib
import http.client
import io
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from edge.errors import FixConfiguration
from edge.telemetry.emit import Emitter
from edge.telemetry.endpoint import Health, TelemetryEndpoint
from edge.telemetry.events import ApplianceStarted


class Patient:
    """Its health is whatever the test says next."""

    def __init__(self) -> None:
        self.health: Callable[[], Health] = lambda: Health(ok=True, facts={"triton": "serving"})

    def __call__(self) -> Health:
        return self.health()


@pytest.fixture
def patient() -> Patient:
    return Patient()


@pytest.fixture
def endpoint(patient: Patient) -> Iterator[TelemetryEndpoint]:
    emitter = Emitter("agent", "json", "error", io.StringIO())
    emitter.emit(ApplianceStarted("agent", "0.1.0"))
    served = TelemetryEndpoint("127.0.0.1", 0, emitter.registry, patient)
    yield served
    served.close()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_metrics_are_served(endpoint: TelemetryEndpoint) -> None:
    status, page = ask(endpoint.port, "/metrics")
    assert status == 200
    assert 'edge_build_info{role="agent",version="0.1.0"} 1.0' in page.replace(
        'version="0.1.0",role="agent"', 'role="agent",version="0.1.0"'
    )


def test_health_is_200_or_503_with_its_facts(endpoint: TelemetryEndpoint, patient: Patient) -> None:
    status, said = ask(endpoint.port, "/healthz")
    assert (status, json.loads(said)) == (200, {"ok": True, "triton": "serving"})
    patient.health = lambda: Health(ok=False, facts={"broker": "away"})
    status, said = ask(endpoint.port, "/healthz")
    assert (status, json.loads(said)) == (503, {"ok": False, "broker": "away"})


def test_a_health_check_that_breaks_is_ill_health(endpoint: TelemetryEndpoint, patient: Patient) -> None:
    def breaks() -> Health:
        raise KeyError("a detail that is nobody's business")

    patient.health = breaks
    status, said = ask(endpoint.port, "/healthz")
    assert (status, json.loads(said)) == (503, {"ok": False, "error": "KeyError"})


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405), ("HEAD", "/healthz", 200)]
)
def test_other_paths_and_methods_are_refused(
    endpoint: TelemetryEndpoint, method: str, path: str, status: int
) -> None:
    assert ask(endpoint.port, path, method)[0] == status


def test_a_slow_health_check_does_not_hold_up_a_scrape(endpoint: TelemetryEndpoint, patient: Patient) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def waits() -> Health:
        entered.set()
        go_on.wait(5)
        return Health(ok=True)

    patient.health = waits
    slow = threading.Thread(target=ask, args=(endpoint.port, "/healthz"))
    slow.start()
    assert entered.wait(5)
    assert ask(endpoint.port, "/metrics")[0] == 200
    go_on.set()
    slow.join(5)


def test_silent_strangers_cannot_take_all_connections_for_long(endpoint: TelemetryEndpoint) -> None:
    strangers = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(40)]
    turned_away, deadline = 0, time.monotonic() + 5
    while turned_away < len(strangers) - 16 and time.monotonic() < deadline:
        turned_away = len(select.select(strangers, [], [], 0.05)[0])
    assert turned_away >= len(strangers) - 16
    for stranger in strangers:
        stranger.close()
    status = 0
    while status != 200 and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = ask(endpoint.port, "/healthz")
    assert status == 200


def test_close_gives_the_port_back_at_once_and_may_be_repeated(endpoint: TelemetryEndpoint) -> None:
    endpoint.close()
    endpoint.close()
    socket.create_server(("127.0.0.1", endpoint.port)).close()


def test_a_port_that_is_taken_is_a_matter_of_configuration(endpoint: TelemetryEndpoint) -> None:
    with pytest.raises(FixConfiguration, match=f"port {endpoint.port}") as refused:
        TelemetryEndpoint("127.0.0.1", endpoint.port, Emitter("agent").registry, lambda: Health(ok=True))
    assert "telemetry" in refused.value.advice


def test_ipv6_is_served_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    served = TelemetryEndpoint("::1", 0, Emitter("agent").registry, lambda: Health(ok=True))
    try:
        connection = http.client.HTTPConnection("::1", served.port, timeout=5)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        served.close()
