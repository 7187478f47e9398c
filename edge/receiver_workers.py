"""Further processes of one receiver: they share its port and journal, and tell it what happens to them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from edge.clock import SystemClock
from edge.dicom.announcing import Announcing
from edge.dicom.connection import Listener
from edge.dicom.dimse.services import VERIFICATION
from edge.dicom.receiver import Receiver
from edge.errors import where
from edge.settings import Settings
from edge.signals import stop_requested
from edge.spool.inbox import Inbox
from edge.spool.lock import Held
from edge.telemetry.events import Happening, TaskFailed

# 72 MiB of disk for each process, refilled while they are used up; a series of 36 slices waits for none.
BLANKS = 128
_GIB = 1024**3
_PAUSE_S = 1.0
_STOP_S = 10.0
# Its listeners come round every second; before the first time it has to be loaded, on a busy machine.
_STANDS_STILL_S, _TO_BEGIN_S = 10.0, 120.0


class Workers:
    """`count` processes from `start` to `stop`; one that dies or stands still is replaced, and what it left
    open is aborted.

    `emit` gets their happenings, so that log and metrics stay in one place; the SO_REUSEPORT of the kernel
    deals out connections. The limits on associations hold in each process for itself. Each of them keeps
    `held`, so that nobody takes the state folder over before the last has ended, whatever ended this one.
    """

    def __init__(
        self, settings: Settings, count: int, inbox: Inbox, emit: Callable[[Happening], None], held: Held
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._emit = emit
        self._held = held
        self._stopping = threading.Event()
        self._processes: list[BaseProcess | None] = [None] * count
        self._threads = [threading.Thread(target=self._keep, args=(n,), daemon=True) for n in range(count)]

    def __bool__(self) -> bool:
        return bool(self._processes)

    def start(self) -> None:
        """Once the first process has recovered the inbox and listens."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets them end as the first process does."""
        self._stopping.set()
        for process in self._processes:
            if process is not None:
                process.terminate()
        for thread in self._threads:
            thread.join(_STOP_S)

    def _keep(self, number: int) -> None:
        """One process after the other; whatever fails is told and tried again, for nobody replaces this."""
        left_open: list[int] = []
        while not self._stopping.is_set():
            try:
                self._end_associations(left_open)
                exit_code = self._run(number, left_open)
                if not self._stopping.is_set():
                    self._emit(TaskFailed("receiver_worker", f"ended with {exit_code}"))
                self._end_associations(left_open)
            except Exception as error:  # noqa: BLE001 - boundary: the disk is full, no process to be had
                self._emit(TaskFailed("receiver_worker", where(error)))
            self._stopping.wait(_PAUSE_S)

    def _end_associations(self, left_open: list[int]) -> None:
        """Before the next process starts: the kernel may give it the pid of the one before."""
        while left_open:
            self._inbox.process_ended(left_open[0])
            del left_open[0]

    def _run(self, number: int, left_open: list[int]) -> int | None:
        """The exit code of a process; its pid is in `left_open` from its start."""
        # Not a fork: threads and an open database would come along.
        fresh = get_context("spawn")
        happenings, telling = fresh.Pipe(duplex=False)
        with closing(happenings):
            with closing(telling):
                process = fresh.Process(target=work, args=(self._settings, telling, self._held), daemon=True)
                process.start()
            assert process.pid is not None, "it has been started"
            left_open.append(process.pid)
            self._processes[number] = process
            if self._stopping.is_set():  # `stop` has not seen this one
                process.terminate()
            try:
                with suppress(EOFError):
                    self._hear(happenings, process)
            except BaseException:
                process.terminate()  # nobody hears it any more
                raise
            finally:
                process.join()
        return process.exitcode

    def _hear(self, happenings: Connection, process: BaseProcess) -> None:
        """Until it has closed its end, or is ended because nothing came of it any more, as of one frozen.

        None says that a listener has come round.
        """
        patience_s = _TO_BEGIN_S
        while happenings.poll(patience_s):
            said: Happening | None = happenings.recv()
            if said is not None:
                self._emit(said)
            patience_s = _STANDS_STILL_S
        self._emit(TaskFailed("receiver_worker", f"stood still for {patience_s:.0f} s"))
        process.kill()


def work(settings: Settings, telling: Connection, _held: Held) -> None:
    """One further process, until SIGTERM or the end of its parent."""
    stopping, lock = stop_requested(), threading.Lock()
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def emit(happening: Happening | None) -> None:
        with lock, suppress(OSError):  # the parent is gone, and this process with it
            telling.send(happening)

    def turned(part: str) -> None:
        if part != "store":  # that goes on where a listener hangs
            emit(None)

    clock, floor_bytes = SystemClock(), int(settings.dicom.min_free_gib * _GIB)
    state_dir = settings.appliance.state_dir
    with closing(
        Inbox(state_dir, min_free_bytes=floor_bytes, clock=clock, joining=True, blanks=BLANKS)
    ) as inbox:
        receiver = receiver_on(inbox, settings, emit, share_port=True, turned=turned)
        receiver.start()
        receiver.serve(stopping)
        receiver.stop()


def receiver_on(
    inbox: Inbox,
    settings: Settings,
    emit: Callable[[Happening], None],
    *,
    share_port: bool,
    turned: Callable[[str], None] = lambda _: None,
) -> Receiver:
    """The receiver of one process, on the plain port and, where it is on, the TLS port beside it."""
    clock = SystemClock()
    listeners = [Listener(settings.dicom.host, settings.dicom.port)]
    if settings.dicom_tls.on:
        from edge.dicom.tls_gate import TlsGate  # noqa: PLC0415 - without TLS no cryptography in memory

        gate = TlsGate(settings.dicom_tls, clock, emit)
        listeners.append(Listener(settings.dicom.host, settings.dicom_tls.port, gate))
    services = (VERIFICATION, *Announcing(inbox, clock, emit).services())
    return Receiver(
        settings.dicom,
        inbox,
        clock,
        emit,
        services=services,
        listeners=listeners,
        share_port=share_port,
        turned=turned,
    )


def _end_with_parent() -> None:
    """At once: whoever follows the parent waits for this."""
    parent = parent_process()
    assert parent is not None, "a worker has been started by a receiver"
    parent.join()
    os._exit(1)
