"""What a check says, and how to see who listens on a port of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from edge.domain.canary import Verdict
from edge.ports import Clock
from edge.settings import Settings

WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`ok` None: could not be told, or worth a look; only False fails the whole check."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Probes:
    """What only a room can ask; each returns one line for a person or raises EdgeError with its advice.

    `echo` is given host, port and called AE title; `certificate` tells how many seconds ours has left,
    `verdict` what the latest canary showed.
    """

    echo: Callable[[str, int, str], str]
    triton: Callable[[], str]
    broker: Callable[[], str]
    models: Callable[[], str]
    certificate: Callable[[datetime], float]
    verdict: Callable[[], Verdict | None]


Check = Callable[[Settings, Probes, Clock], Diagnosis]


def reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def listening(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=WAIT_S).close()
    except OSError:
        return False
    return True


def bindable(name: str, host: str, port: int, why: str) -> Diagnosis:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as trouble:
        detail = f"port {port} on {host} cannot be had: {trouble.strerror}"
        return Diagnosis(
            name, False, detail, f"Set {name}.host and {name}.port to an address of this machine."
        )
    return Diagnosis(name, True, f"port {port} is free, {why}")
