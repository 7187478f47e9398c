"""Checks of our own running processes: what they serve, and what they say of themselves."""

from __future__ import annotations

import http.client
import json

from edge.diagnosis import WAIT_S, Diagnosis, Probes, bindable, listening, reachable
from edge.domain.degraded import CONSEQUENCES, Mode
from edge.ports import Clock
from edge.settings import Settings


def metrics(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """Both /metrics ports are free or answer with our own build info."""
    host, told = settings.telemetry.host, list[str]()
    for role, port in (
        ("receiver", settings.telemetry.receiver_port),
        ("agent", settings.telemetry.agent_port),
    ):
        if not listening(reachable(host), port):
            found = bindable("metrics", host, port, f"{role} is not running")
        else:
            ours = "edge_build_info" in _page(reachable(host), port)
            found = Diagnosis(
                "metrics", ours, f"{role} answers on {port}" if ours else f"{port} is a stranger's"
            )
        if found.ok is False:
            return Diagnosis("metrics", False, found.detail, f"Set telemetry.{role}_port to a free port.")
        told.append(found.detail)
    return Diagnosis("metrics", True, "; ".join(told))


def modes(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """The degraded modes the running agent says it is in, with what ops can see of each."""
    host, port = reachable(settings.telemetry.host), settings.telemetry.agent_port
    told = _health(host, port) if listening(host, port) else None
    if told is None:
        return Diagnosis("modes", True, "the agent is not running, so it is in no degraded mode")
    named = [Mode(name) for name in told.split(", ") if name in set(Mode)]
    if not named:
        return Diagnosis("modes", True, "none: the agent is in no degraded mode")
    urgent = any(CONSEQUENCES[mode].urgent for mode in named)
    detail = "; ".join(f"{mode}: {CONSEQUENCES[mode].fault}" for mode in named)
    return Diagnosis("modes", False if urgent else None, detail, f"See {CONSEQUENCES[named[0]].ops}.")


def _health(host: str, port: int) -> str | None:
    """The modes of /healthz; None when it is not the agent's."""
    try:
        return str(json.loads(_page(host, port, "/healthz"))["modes"])
    except (ValueError, LookupError, TypeError):
        return None


def _page(host: str, port: int, path: str = "/metrics") -> str:
    connection = http.client.HTTPConnection(host, port, timeout=WAIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(4_000_000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
