"""The receiver made from settings, and nothing of the agent: it must stay small and quick to start."""

from __future__ import annotations

import os
import resource
from contextlib import closing

from edge import __version__
from edge.clock import SystemClock
from edge.dicom.announcing import Announcing
from edge.dicom.connection import Listener
from edge.dicom.dimse.services import VERIFICATION
from edge.dicom.receiver import Receiver
from edge.settings import Settings
from edge.signals import stop_requested
from edge.spool.inbox import Inbox
from edge.spool.lock import exclusive
from edge.telemetry.emit import Emitter
from edge.telemetry.endpoint import Health, TelemetryEndpoint
from edge.telemetry.events import ApplianceStarted, ApplianceStopping, RanAsRoot

_GIB = 1024**3
# 72 MiB of disk, refilled while they are used up; a whole series of 36 slices never waits for one.
_BLANKS = 128


def run_receiver(settings: Settings) -> None:
    """`edge receive` until SIGTERM or SIGINT; raises FixConfiguration when it cannot start."""
    clock, state_dir = SystemClock(), settings.appliance.state_dir
    emitter = Emitter("receiver", settings.telemetry.log_format, settings.telemetry.log_level)
    stopping = stop_requested()
    floor_bytes = int(settings.dicom.min_free_gib * _GIB)
    _limit_memory(settings.dicom.memory_ceiling_mib << 20)
    if os.geteuid() == 0:
        emitter.emit(RanAsRoot("receiver"))
    with (
        exclusive(state_dir, "receiver"),
        closing(Inbox(state_dir, min_free_bytes=floor_bytes, clock=clock, blanks=_BLANKS)) as inbox,
    ):
        found = inbox.recover()
        listeners = _listeners(settings, clock, emitter)
        services = (VERIFICATION, *Announcing(inbox, emitter.emit).services())
        receiver = Receiver(
            settings.dicom, inbox, clock, emitter.emit, services=services, listeners=listeners
        )
        endpoint = TelemetryEndpoint(
            settings.telemetry.host,
            settings.telemetry.receiver_port,
            emitter.registry,
            lambda: Health(inbox.free_bytes() > floor_bytes, {"free_bytes": inbox.free_bytes()}),
        )
        with closing(endpoint):
            receiver.start()
            emitter.emit(ApplianceStarted("receiver", __version__, f"recovered {found}"))
            receiver.serve(stopping)
            emitter.emit(ApplianceStopping("receiver", "signal"))
            receiver.stop()


def _listeners(settings: Settings, clock: SystemClock, emitter: Emitter) -> tuple[Listener, ...]:
    """The plain port, and the TLS port beside it."""
    plain = Listener(settings.dicom.host, settings.dicom.port)
    if not settings.dicom_tls.on:
        return (plain,)
    from edge.dicom.tls_gate import TlsGate  # noqa: PLC0415 - without TLS no cryptography in memory

    gate = TlsGate(settings.dicom_tls, clock, emitter.emit)
    return plain, Listener(settings.dicom.host, settings.dicom_tls.port, gate)


def _limit_memory(ceiling_bytes: int) -> None:
    """Beyond it an allocation fails and its instance is answered 0xA700, instead of the kernel killing all.

    RLIMIT_DATA and not RLIMIT_AS: it counts what may be written to, not what is merely mapped.
    """
    if ceiling_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = ceiling_bytes if hard == resource.RLIM_INFINITY else min(ceiling_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
