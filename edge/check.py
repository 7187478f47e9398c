"""`edge check`: one line per thing that must be right before a scanner is pointed at this box."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.check_running import metrics, modes
from edge.diagnosis import Check, Diagnosis, Probes, bindable, listening, reachable
from edge.errors import EdgeError
from edge.life_check import canary, clock_agrees
from edge.ports import Clock
from edge.settings import Settings

_GIB, _DAY_S = 1024**3, 86400
_SLOW_FSYNC_MS = 50.0


def dicom(settings: Settings, probes: Probes, clock: Clock) -> Diagnosis:
    """C-ECHO when something listens on the port, else whether the port can be had."""
    host, port = settings.dicom.host, settings.dicom.port
    if not listening(reachable(host), port):
        return bindable("dicom", host, port, "no receiver is running")
    return Diagnosis("dicom", True, probes.echo(reachable(host), port, settings.dicom.ae_title))


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


CHECKS: Mapping[str, Check] = {
    "dicom": dicom,
    "tls": tls,
    "disk": disk,
    "triton": triton,
    "broker": broker,
    "models": models,
    "clock": clock_agrees,
    "metrics": metrics,
    "modes": modes,
    "canary": canary,
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
