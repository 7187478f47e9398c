"""`edge check`: one line per thing that must be right before a scanner is pointed at this box."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.errors import EdgeError
from edge.ports import Clock
from edge.settings import Settings

_GIB, _DAY_S = 1024**3, 86400
_WAIT_S = 2.0
# Older than this software, or so far ahead that certificates and log retention go wrong.
_YEARS = range(2026, 2100)
_SLOW_FSYNC_MS = 50.0


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

    `echo` is given host, port and called AE title; `certificate` tells how many seconds ours has left.
    """

    echo: Callable[[str, int, str], str]
    triton: Callable[[], str]
    broker: Callable[[], str]
    models: Callable[[], str]
    certificate: Callable[[datetime], float]


def dicom(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """C-ECHO when something listens on the port, else whether the port can be had."""
    host, port = settings.dicom.host, settings.dicom.port
    if not _listening(_reachable(host), port):
        return _bindable("dicom", host, port, "no receiver is running")
    return Diagnosis("dicom", True, probes.echo(_reachable(host), port, settings.dicom.ae_title))


def tls(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """The files of dicom_tls can serve a handshake, and for how long."""
    if not settings.dicom_tls.on:
        return Diagnosis("tls", True, "off, DICOM is plain")
    days = probes.certificate(clock.utc()) / _DAY_S
    detail = f"port {settings.dicom_tls.port}, the certificate has {days:.0f} days left"
    hint = "Renew it; new files are taken without a restart." if days < settings.dicom_tls.warn_days else ""
    return Diagnosis("tls", None if hint else True, detail, hint)


def disk(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """Free space against the floor, and what one fsync costs where the inbox is or will be."""
    folder = settings.appliance.state_dir
    while not folder.exists():
        folder = folder.parent
    free_gib = shutil.disk_usage(folder).free / _GIB
    try:
        fsync_ms = _fsync_ms(folder)
    except OSError as trouble:
        return Diagnosis(
            "disk",
            False,
            f"cannot write in {folder}: {trouble.strerror}",
            "Give this user that folder, or set appliance.state_dir.",
        )
    detail = f"{free_gib:.1f} GiB free in {folder}, fsync {fsync_ms:.1f} ms"
    if free_gib < settings.dicom.min_free_gib:
        floor = f"the floor is {settings.dicom.min_free_gib:g} GiB"
        return Diagnosis(
            "disk", False, f"{detail}; {floor}", "Free space; below the floor C-STORE is refused."
        )
    if fsync_ms > _SLOW_FSYNC_MS:
        return Diagnosis("disk", None, detail, "Every slice waits for two of these; use a faster disk.")
    return Diagnosis("disk", True, detail)


def triton(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """Ready, and the known-answer canary gives the known answer."""
    return Diagnosis("triton", True, probes.triton())


def broker(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """CONNECT is answered with CONNACK."""
    return Diagnosis("broker", True, probes.broker())


def models(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """The model in use agrees with its own contract."""
    return Diagnosis("models", True, probes.models())


def clock_agrees(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """A sane year, wall and monotonic time at the same pace, and synchronised as far as systemd knows."""
    began, wall = clock.monotonic(), clock.utc()
    synchronised = _synchronised()
    drift_s = (clock.utc() - wall).total_seconds() - (clock.monotonic() - began)
    detail = f"{wall:%Y-%m-%d %H:%M:%S} UTC"
    if wall.year not in _YEARS:
        return Diagnosis(
            "clock", False, detail, "Set the clock; times on pages and in the ledger come from it."
        )
    if abs(drift_s) > 0.5:
        return Diagnosis("clock", False, f"{detail}, just stepped by {drift_s:+.1f} s", "Wait for time sync.")
    if synchronised is None:
        return Diagnosis("clock", True, f"{detail}; whether it is synchronised is not known here")
    if not synchronised:
        return Diagnosis("clock", None, f"{detail}, not synchronised", "Enable NTP: timedatectl set-ntp true")
    return Diagnosis("clock", True, f"{detail}, synchronised")


def metrics(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """Both /metrics ports are free or answer with our own build info."""
    host, told = settings.telemetry.host, list[str]()
    for role, port in (
        ("receiver", settings.telemetry.receiver_port),
        ("agent", settings.telemetry.agent_port),
    ):
        if not _listening(_reachable(host), port):
            found = _bindable("metrics", host, port, f"{role} is not running")
        else:
            ours = "edge_build_info" in _page(_reachable(host), port)
            found = Diagnosis(
                "metrics", ours, f"{role} answers on {port}" if ours else f"{port} is a stranger's"
            )
        if found.ok is False:
            return Diagnosis("metrics", False, found.detail, f"Set telemetry.{role}_port to a free port.")
        told.append(found.detail)
    return Diagnosis("metrics", True, "; ".join(told))


Check = Callable[[Settings, Probes, Clock], Diagnosis]
CHECKS: Mapping[str, Check] = {
    "dicom": dicom,
    "tls": tls,
    "disk": disk,
    "triton": triton,
    "broker": broker,
    "models": models,
    "clock": clock_agrees,
    "metrics": metrics,
}

# For a peer that does not say itself what to do.
_HINTS = {
    "dicom": "Something else may hold dicom.port; the receiver's log says who was rejected and why.",
    "triton": "Is it running? `edge up` starts one, or set triton.grpc_url to yours.",
    "broker": "Is it running? `edge up` starts one, or set mqtt.host and mqtt.port to yours.",
    "models": "Set models.repository to the folder that holds models.active.",
}


def diagnose(settings: Settings, probes: Probes, clock: Clock) -> Iterable[Diagnosis]:
    """Every check in turn; one that breaks is a diagnosis too and does not stop the others."""
    for name, check in CHECKS.items():
        try:
            yield check(settings, probes, clock)
        except EdgeError as trouble:
            yield Diagnosis(name, False, str(trouble), trouble.advice or _HINTS.get(name, ""))
        except Exception as trouble:  # noqa: BLE001 # boundary: a broken check must not hide the rest
            yield Diagnosis(name, False, f"the check itself failed: {trouble!r}", "Please report this line.")


def line(diagnosis: Diagnosis) -> str:
    """`ok  disk     81.2 GiB free …` or `!!  broker   …  hint: …`."""
    mark = {True: "ok", False: "!!", None: "??"}[diagnosis.ok]
    hint = f"  hint: {diagnosis.hint}" if diagnosis.hint else ""
    return f"{mark}  {diagnosis.name:<8} {' '.join(diagnosis.detail.split())}{hint}"


def exit_code(diagnoses: Iterable[Diagnosis]) -> int:
    """1 when any check failed."""
    return int(any(d.ok is False for d in diagnoses))


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def _listening(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_WAIT_S).close()
    except OSError:
        return False
    return True


def _bindable(name: str, host: str, port: int, why: str) -> Diagnosis:
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as trouble:
        detail = f"port {port} on {host} cannot be had: {trouble.strerror}"
        return Diagnosis(
            name, False, detail, f"Set {name}.host and {name}.port to an address of this machine."
        )
    return Diagnosis(name, True, f"port {port} is free, {why}")


def _fsync_ms(folder: Path) -> float:
    """The median of five."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(5):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[2]


def _synchronised() -> bool | None:
    program = shutil.which("timedatectl")
    if program is None:
        return None
    asked = [program, "show", "-p", "NTPSynchronized", "--value"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_WAIT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(said.strip())


def _page(host: str, port: int) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=_WAIT_S)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read(4_000_000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
