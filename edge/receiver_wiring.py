"""The receiver made from settings, and nothing of the agent: it must stay small and quick to start."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

from edge import __version__
from edge.audit_wiring import auditing
from edge.clock import SystemClock
from edge.domain.canary import Part
from edge.errors import where
from edge.proof import Blame
from edge.receiver_workers import BLANKS, Workers, receiver_on
from edge.settings import Settings
from edge.signals import stop_requested
from edge.spool.inbox import Inbox
from edge.spool.lock import exclusive
from edge.spool.removals import Removals
from edge.telemetry.emit import Emitter
from edge.telemetry.endpoint import Health, TelemetryEndpoint
from edge.telemetry.events import (
    ApplianceStarted,
    ApplianceStopping,
    Happening,
    InstancesRemoved,
    RanAsRoot,
    TaskFailed,
)
from edge.watchdog import Watchdog

_GIB = 1024**3
_LOOK_FOR_REMOVALS_S, _BETWEEN_REMOVALS_S, _AFTER_TROUBLE_S = 2.0, 0.1, 60.0


def run_receiver(settings: Settings, workers: int = 0) -> None:
    """`edge receive` until SIGTERM or SIGINT; raises FixConfiguration when it cannot start.

    `workers` processes in all, dicom.workers when it is 0.
    """
    clock, state_dir = SystemClock(), settings.appliance.state_dir
    emitter = Emitter("receiver", settings.telemetry.log_format, settings.telemetry.log_level)
    stopping = stop_requested()
    floor_bytes = int(settings.dicom.min_free_gib * _GIB)
    _limit_memory(settings.dicom.memory_ceiling_mib << 20)
    with (
        exclusive(state_dir, "receiver") as held,
        auditing(settings, clock, emitter.emit) as audit,
        closing(Inbox(state_dir, min_free_bytes=floor_bytes, clock=clock, blanks=BLANKS)) as inbox,
    ):
        if os.geteuid() == 0:
            audit.emit(RanAsRoot("receiver"))
        found = inbox.recover()
        further = Workers(settings, (workers or settings.dicom.workers) - 1, inbox, audit.emit, held)
        watchdog = Watchdog(("accept", "store", "proof", *(("accept_tls",) if settings.dicom_tls.on else ())))
        blame = Blame(state_dir, (Part.RECEIVER,))

        def turned(part: str) -> None:
            watchdog.turned(part)
            if not blame.stuck():
                watchdog.turned("proof")

        receiver = receiver_on(inbox, settings, audit.emit, share_port=bool(further), turned=turned)
        endpoint = TelemetryEndpoint(
            settings.telemetry.host,
            settings.telemetry.receiver_port,
            emitter.registry,
            lambda: Health(inbox.free_bytes() > floor_bytes, {"free_bytes": inbox.free_bytes()}),
        )
        # However serving ends: a thread left behind would keep the process and its port, and store nothing.
        with closing(endpoint), ExitStack() as ends:
            removing = threading.Thread(target=_remove, args=(inbox.removals(), stopping, audit.emit))
            removing.start()
            ends.callback(removing.join)
            ends.callback(stopping.set)
            receiver.start()
            ends.callback(receiver.stop)
            further.start()
            ends.callback(further.stop)
            audit.emit(ApplianceStarted("receiver", __version__, f"recovered {found}"))
            watchdog.ready()
            receiver.serve(stopping)
            watchdog.stopping()
            audit.emit(ApplianceStopping("receiver", "signal"))


def _remove(removals: Removals, stopping: threading.Event, emit: Callable[[Happening], None]) -> None:
    """Until `stopping`: one series at a time, for slices that arrive use the same disk."""
    pause_s = _LOOK_FOR_REMOVALS_S
    while not stopping.wait(pause_s):
        pause_s = _LOOK_FOR_REMOVALS_S
        try:
            removed = removals.turn()
        except Exception as error:  # noqa: BLE001 - boundary: without this thread the disk fills up
            # A ledger that cannot be read is the agent's to tell of; receiving goes on without retention.
            emit(TaskFailed("removals", where(error)))
            pause_s = _AFTER_TROUBLE_S
        else:
            if removed is not None:
                emit(InstancesRemoved(removed.instances, removed.size_bytes))
                pause_s = _BETWEEN_REMOVALS_S


def _limit_memory(ceiling_bytes: int) -> None:
    """Beyond it an allocation fails and its instance is answered 0xA700, instead of the kernel killing all.

    RLIMIT_DATA and not RLIMIT_AS: it counts what may be written to, not what is merely mapped.
    """
    if ceiling_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = ceiling_bytes if hard == resource.RLIM_INFINITY else min(ceiling_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
