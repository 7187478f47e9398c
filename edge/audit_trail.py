"""Records what an auditor asks about; a thread writes, so that nothing else waits for a disk or a peer."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.audit.message import Writer
from edge.audit.syslog import syslog_message
from edge.audit_records import Damper, record_of
from edge.domain.audit import (
    Alarm,
    ApplicationActivity,
    AuditRecord,
    Indicator,
    InstancesTransferred,
    SecurityAlert,
)
from edge.errors import where
from edge.ports import Clock
from edge.spool.audit_spool import AuditFile, AuditSpool
from edge.telemetry.degraded_events import AuditLost, AuditRecorded
from edge.telemetry.events import Happening, TaskFailed

# Records that wait for the disk; while it is full the rest are lost, and counted.
MOST_WAITING = 1000
_KINDS = {
    ApplicationActivity: "application_activity",
    InstancesTransferred: "instances_transferred",
    SecurityAlert: "security_alert",
}
_AGAIN_S = 1.0
_END_S = 3.0


@dataclass(frozen=True, slots=True)
class _Task:
    records: Callable[[], Sequence[AuditRecord]]
    written: Callable[[], None]


def _nothing() -> None: ...


class AuditTrail:
    """Stands in front of `emit`, safe from any thread; without spool and file it only passes on.

    What is recorded is durable soon after, and before `written` is called.
    """

    def __init__(
        self,
        writer: Writer,
        spool: AuditSpool | None,
        file: AuditFile | None,
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._writer, self._spool, self._file = writer, spool, file
        self._clock, self._emit = clock, emit
        self._damper = Damper(clock.monotonic)
        self._tasks: queue.Queue[_Task | None] = queue.Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    @property
    def on(self) -> bool:
        return self._spool is not None or self._file is not None

    def start(self) -> None:
        if self.on:
            self._thread.start()

    def close(self) -> None:
        """What is recorded by now is written, if the disk takes it within a few seconds."""
        if not self._thread.is_alive():
            return
        self._closing.set()
        try:
            self._tasks.put(None, timeout=_END_S)
        except queue.Full:
            return
        self._thread.join(_END_S)

    def emit(self, happening: Happening) -> None:
        self._emit(happening)
        record = record_of(happening, self._clock.utc()) if self.on else None
        if isinstance(record, SecurityAlert):
            record = self._damper.passes(record)
        if record is not None:
            told = (record,)
            self.record(lambda: told)

    def record(
        self, records: Callable[[], Sequence[AuditRecord]], written: Callable[[], None] = _nothing
    ) -> None:
        """Returns at once, `records` is asked by the thread that writes.

        When too many wait the new ones are lost, counted, and told of as soon as there is room.
        """
        if not self.on:
            return
        try:
            self._tasks.put_nowait(_Task(records, written))
        except queue.Full:
            self._lose(1, "queue_full")

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                for record in task.records():
                    self._write(record)
                task.written()
            except Exception as error:  # noqa: BLE001 - boundary: one bad record must not end the audit trail
                self._emit(TaskFailed("audit", where(error)))
                self._lose(1, "failed")

    def _write(self, record: AuditRecord) -> None:
        if self._lost and self._stored(self._of_loss(self._lost)):
            self._lost = 0
        if self._stored(record):
            self._emit(AuditRecorded(_KINDS[type(record)]))

    def _stored(self, record: AuditRecord) -> bool:
        """Tried until the disk takes it; False when the spool is full, or it is time to end."""
        xml, filed = self._writer.xml(record), False
        message = syslog_message(xml, record.at, self._writer.source.host, os.getpid())
        while True:
            try:
                if self._file is not None and not filed:
                    self._file.append(message)
                filed = True
                kept = self._spool is None or self._spool.put(message)
            except OSError as error:
                self._emit(TaskFailed("audit", where(error)))
                if self._closing.wait(_AGAIN_S):
                    self._lose(1, "disk")
                    return False
            else:
                if not kept:
                    self._lose(1, "spool_full")
                return kept

    def _of_loss(self, count: int) -> SecurityAlert:
        said = f"{count} audit messages could not be kept"
        return SecurityAlert(self._clock.utc(), Alarm.RECORDING_STOPPED, Indicator.SERIOUS, said)

    def _lose(self, count: int, reason: str) -> None:
        self._lost += count
        self._emit(AuditLost(count, reason))
