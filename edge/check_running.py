"""Checks of our own running processes: what they serve, and what they say of themselves."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from enum import Enum, auto

from edge.diagnosis import WAIT_S, Diagnosis, Probes, bindable, reachable
from edge.domain.degraded import CONSEQUENCES, Mode
from edge.ports import Clock
from edge.settings import Settings


class Silence(Enum):
    """MUTE: somebody holds the port and says nothing, as a frozen process does."""

    NOBODY = auto()
    MUTE = auto()


def metrics(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """Both /metrics ports are free or answer with our own build info."""
    host, told = settings.telemetry.host, list[str]()
    for role, port in (
        ("receiver", settings.telemetry.receiver_port),
        ("agent", settings.telemetry.agent_port),
    ):
        said = _ask(host, port)
        if said is Silence.MUTE:
            return _mute("metrics", role, port)
        if said is Silence.NOBODY:
            found = bindable("metrics", host, port, f"{role} is not running")
        else:
            ours = _ours(said)
            found = Diagnosis(
                "metrics", ours, f"{role} answers on {port}" if ours else f"{port} is a stranger's"
            )
        if found.ok is False:
            return Diagnosis("metrics", False, found.detail, f"Set telemetry.{role}_port to a free port.")
        told.append(found.detail)
    return Diagnosis("metrics", True, "; ".join(told))


def modes(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """The degraded modes the running agent says it is in, with what ops can see of each."""
    host, port = settings.telemetry.host, settings.telemetry.agent_port
    said = _ask(host, port, "/healthz")
    if said is Silence.MUTE:
        return _mute("modes", "agent", port)
    told = _health(said)
    if told is None and _ours(_ask(host, settings.telemetry.receiver_port)):
        detail = "the receiver runs and the agent does not: what scanners send is kept, and nobody is paged"
        return Diagnosis("modes", False, detail, "Start `edge agent`; its log says why it ended.")
    if told is None:
        return Diagnosis("modes", True, "the agent is not running, so it is in no degraded mode")
    named = [Mode(name) for name in told.split(", ") if name in set(Mode)]
    if not named:
        return Diagnosis("modes", True, "none: the agent is in no degraded mode")
    urgent = any(CONSEQUENCES[mode].urgent for mode in named)
    detail = "; ".join(f"{mode}: {CONSEQUENCES[mode].fault}" for mode in named)
    return Diagnosis("modes", False if urgent else None, detail, f"See {CONSEQUENCES[named[0]].ops}.")


def _mute(name: str, role: str, port: int) -> Diagnosis:
    hint = f"`ss -ltnp` names who holds it. If it is edge {role}, restart it."
    return Diagnosis(name, False, f"whoever holds {port} does not answer: is the {role} frozen?", hint)


def _ours(said: str | Silence) -> bool:
    return isinstance(said, str) and "edge_build_info" in said


def _health(said: str | Silence) -> str | None:
    """The modes of /healthz; None when it is not the agent's."""
    try:
        return None if isinstance(said, Silence) else str(json.loads(said)["modes"])
    except (ValueError, LookupError, TypeError):
        return None


def _ask(host: str, port: int, path: str = "/metrics") -> str | Silence:
    """The page; empty when whoever is there speaks something else."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=WAIT_S)
    try:
        connection.connect()
    except OSError:
        # Of a frozen process the kernel takes connections only until its backlog is full.
        return Silence.MUTE if _held(host, port) else Silence.NOBODY
    try:
        connection.request("GET", path)
        return connection.getresponse().read(4_000_000).decode(errors="replace")
    except TimeoutError:
        return Silence.MUTE
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _held(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as trouble:
        return trouble.errno == errno.EADDRINUSE
    return False
