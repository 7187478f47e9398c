"""The DICOM server: one thread for each connection, blocking, with an end to every wait.

Threads and not an event loop or several processes: all three were measured, see ARCHITECTURE.md, "Threads,
an event loop or processes".
What is said on a connection is in conversation.py, what becomes of it in intake.py.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from edge.dicom.admission import Admission
from edge.dicom.connection import Connection, Listener, TlsEntrance
from edge.dicom.conversation import Conversation
from edge.dicom.dimse.services import VERIFICATION, Service
from edge.dicom.intake import Intake
from edge.dicom.offer import Offer, Patience
from edge.dicom.strangers import FOR_ITS_WORDS_S, MOST, MOST_WITH_LEAVING, next_to_go
from edge.errors import FixConfiguration
from edge.ports import Clock, InstanceStore
from edge.settings import DicomSettings
from edge.telemetry.events import ConnectionAborted, Happening, SpoolMeasured

_BACKLOG = 128
_STACK_BYTES = 512 << 10
_WATCH_S = 1.0
_MEASURE_EVERY = 10
_AFTER_FAILED_ACCEPT_S = 0.1
# To leave takes a thread a moment; the one that accepts must not be quicker for long.
_FOR_A_PLACE_S = 0.05


class Receiver:
    """`edge receive`: `start`, then `serve` until told to stop, then `stop`.

    `services` are what it answers besides storage. Without `listeners` it is dicom.host and dicom.port;
    with `share_port` other processes may listen there as well (SO_REUSEPORT), the kernel deals out.
    `turned` is told when a part has come round: accept, accept_tls, store.
    """

    def __init__(
        self,
        settings: DicomSettings,
        store: InstanceStore,
        clock: Clock,
        emit: Callable[[Happening], None],
        *,
        services: Iterable[Service] = (VERIFICATION,),
        listeners: Iterable[Listener] = (),
        share_port: bool = False,
        turned: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._emit = emit
        self._listeners = tuple(listeners) or (Listener(settings.host, settings.port),)
        self._share_port = share_port
        self._turned = turned
        self._offer = Offer(settings, services)
        self._patience = Patience.from_settings(settings)
        admission = Admission.from_settings(settings)
        self._intake = Intake(admission, store, clock, emit, settings.max_instance_mib << 20)
        self._sockets: list[socket.socket] = []
        self._threads: dict[Conversation, threading.Thread] = {}
        self._lock = threading.Lock()
        self._somebody_left = threading.Condition(self._lock)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listens from here on; raises FixConfiguration when an address cannot be had."""
        # What the system gives by default counts against a memory ceiling, used or not.
        threading.stack_size(_STACK_BYTES)
        self._sockets = [self._listening(listener) for listener in self._listeners]
        for listener, listening in zip(self._listeners, self._sockets, strict=True):
            accepting = threading.Thread(target=self._accept, args=(listening, listener.tls), daemon=True)
            accepting.start()

    def serve(self, stopping: threading.Event) -> None:
        """Returns when `stopping` is set; meanwhile watches the disk and the books.

        Raises OSError when the store can keep nothing any more, for a supervisor to start us afresh.
        """
        rounds = 0
        while True:
            self._intake.retry_ends()
            self._store.check()
            self._turned("store")
            measuring = rounds % _MEASURE_EVERY == 0
            if measuring:
                self._emit(SpoolMeasured(self._store.free_bytes()))
            for entrance in (one.tls for one in self._listeners if one.tls is not None):
                entrance.look()
                if measuring:
                    entrance.measure()
            rounds += 1
            if stopping.wait(_WATCH_S):
                return

    def stop(self, grace_s: float = 5.0) -> None:
        """Admits nobody more, lets open associations finish for `grace_s`, aborts the rest."""
        self._stopping.set()
        for listening in self._sockets:
            # Wakes the thread in accept(2), which close alone does not.
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        self._sockets = []
        deadline = self._clock.monotonic() + grace_s
        pause = threading.Event()
        while self._intake.open_sessions() and self._clock.monotonic() < deadline:
            pause.wait(0.02)
        with self._lock:
            left = dict(self._threads)
        for conversation in left:
            conversation.stop("receiver_stopped")
        deadline = self._clock.monotonic() + 1.0
        for thread in left.values():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        for session in self._intake.open_sessions():
            self._intake.aborted(session, "receiver_stopped")
        self._intake.retry_ends()

    def _listening(self, listener: Listener) -> socket.socket:
        family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        try:
            return socket.create_server(
                (listener.host, listener.port), family=family, backlog=_BACKLOG, reuse_port=self._share_port
            )
        except OSError as error:
            raise FixConfiguration(
                f"cannot listen on {listener.host}:{listener.port}: {error.strerror}",
                hint="Stop what uses the port, or set dicom.host and dicom.port to an address of this box.",
            ) from error

    def _accept(self, listening: socket.socket, tls: TlsEntrance | None) -> None:
        part = "accept" if tls is None else "accept_tls"
        # Looked for in vain is a turn too; a thread that hangs says nothing any more.
        listening.settimeout(_WATCH_S)
        while not self._stopping.is_set():
            self._turned(part)
            try:
                accepted, address = listening.accept()
            except TimeoutError:
                continue
            except OSError:
                # Out of descriptors, or gone before it was accepted: what has begun goes on meanwhile.
                if self._stopping.wait(_AFTER_FAILED_ACCEPT_S):
                    return
                self._turn_one_away()
                continue
            try:
                self._converse(accepted, str(address[0]), tls)
            except Exception as error:  # noqa: BLE001 - boundary: those that follow must still get in
                accepted.close()
                self._turn_one_away()
                with suppress(MemoryError):  # none left to tell of it either
                    reason = "no_memory" if isinstance(error, MemoryError) else "internal_error"
                    self._emit(ConnectionAborted(reason, str(address[0])))

    def _converse(self, accepted: socket.socket, address: str, tls: TlsEntrance | None) -> None:
        try:
            connection = Connection(accepted, address, tls, self._clock.monotonic)
        except OSError:  # reset before the first option was set
            accepted.close()
            return
        conversation = Conversation(connection, self._intake, self._offer, self._patience)
        thread = threading.Thread(target=self._run, args=(conversation,), daemon=True)
        if not self._entered(conversation, thread):
            connection.close()
            self._emit(ConnectionAborted("too_many_connections", address))
            return
        try:
            thread.start()
        except (
            RuntimeError,
            MemoryError,
        ):  # no thread to be had: the memory ceiling, or a limit of the system
            self._forget(conversation)
            connection.close()
            self._emit(ConnectionAborted("no_thread", address))

    def _run(self, conversation: Conversation) -> None:
        try:
            conversation.run()
        finally:
            self._forget(conversation)

    def _forget(self, conversation: Conversation) -> None:
        with self._lock:
            self._threads.pop(conversation, None)
            self._somebody_left.notify_all()

    def _entered(self, conversation: Conversation, thread: threading.Thread) -> bool:
        """False when too many strangers have yet to go; one goes when there are too many with this one."""
        with self._lock:
            if not self._somebody_left.wait_for(self._has_room, _FOR_A_PLACE_S):
                return False
            self._threads[conversation] = thread
            too_many = sum(not c.stopped for c in self._strangers()) > MOST
        if too_many:
            self._turn_one_away()
            self._stopping.wait(FOR_ITS_WORDS_S)
        return True

    def _strangers(self) -> list[Conversation]:
        """From the oldest on."""
        return [c for c in self._threads if c.session is None]

    def _has_room(self) -> bool:
        return len(self._strangers()) < MOST_WITH_LEAVING

    def _turn_one_away(self) -> None:
        """Of those without an association, so that idle strangers never lock out a scanner."""
        with self._lock:
            staying = [c for c in self._strangers() if not c.stopped]
            place = next_to_go([c.stranger for c in staying])
            if place is not None:
                staying[place].turn_away("too_many_connections")
