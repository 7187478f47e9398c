"""The C-STORE SCP: keeps every data set as it came, durable before it is acknowledged.

pynetdicom speaks the upper layer and DIMSE here; what follows from it is in intake.py.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any, cast

from pydicom.dataset import Dataset
from pynetdicom import _config, evt  # pyright: ignore[reportPrivateUsage] # the documented way in
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AssociationSocket, ThreadedAssociationServer

from edge.dicom.admission import Admission
from edge.dicom.intake import Intake, StoreRequest
from edge.dicom.limits import bound
from edge.dicom.syntaxes import STORAGE_CLASSES, TRANSFER_SYNTAXES, VERIFICATION
from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from edge.errors import FixConfiguration
from edge.ports import Clock, InstanceStore
from edge.settings import DicomSettings
from edge.telemetry.events import Happening, SpoolMeasured

# Formatting every PDU and message for a log nobody may read costs more than storing them.
_config.LOG_HANDLER_LEVEL = "none"

_BACKLOG = 128
_ARTIM_S = 30.0
_WATCH_S = 1.0
_MEASURE_EVERY = 10

_PEER_USER_ABORT = 0
_PROVIDER_ABORT = 2

Handler = tuple[evt.NotificationEvent | evt.InterventionEvent, Callable[[Event], Any]]


class Receiver:
    """`edge receive`: `start`, then `serve` until told to stop, then `stop`."""

    def __init__(
        self,
        settings: DicomSettings,
        store: InstanceStore,
        clock: Clock,
        emit: Callable[[Happening], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._emit = emit
        self._max_instance_bytes = settings.max_instance_mib << 20
        admission = Admission.from_settings(settings)
        self._intake = Intake(admission, store, clock, emit, self._max_instance_bytes)
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Listens from here on; raises FixConfiguration when the address cannot be had."""
        entity = self._entity()
        address = (self._settings.host, self._settings.port)
        listen = cast(
            "Callable[..., ThreadedAssociationServer]",
            entity.start_server,  # pyright: ignore[reportUnknownMemberType] # its handlers are untyped
        )
        try:
            self._server = listen(address, block=False, evt_handlers=self._handlers())
        except OSError as error:
            raise FixConfiguration(
                f"cannot listen on {address[0]}:{address[1]}: {error.strerror}",
                hint="Stop what uses the port, or set dicom.host and dicom.port to an address of this box.",
            ) from error
        # Thirty associations may be asked for at once; pynetdicom's backlog of 5 makes TCP wait a second.
        cast("socket.socket", self._server.socket).listen(_BACKLOG)

    def serve(self, stopping: threading.Event) -> None:
        """Returns when `stopping` is set; meanwhile watches disk and associations.

        Raises OSError when the store can keep nothing any more, for a supervisor to start us afresh.
        """
        rounds = 0
        while True:
            self._watch()
            self._store.check()
            if rounds % _MEASURE_EVERY == 0:
                self._emit(SpoolMeasured(self._store.free_bytes()))
            rounds += 1
            if stopping.wait(_WATCH_S):
                return

    def stop(self, grace_s: float = 5.0) -> None:
        """Admits nobody more, lets open associations finish for `grace_s`, aborts the rest."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server = None
        deadline = self._clock.monotonic() + grace_s
        pause = threading.Event()
        while self._intake.open_sessions() and self._clock.monotonic() < deadline:
            pause.wait(0.02)
        for key in self._intake.open_sessions():
            self._intake.ending(key, "receiver_stopped")
            cast("Association", key).abort()
        for key in self._intake.open_sessions():
            cast("Association", key).join(timeout=1.0)
            self._intake.aborted(key)
        self._intake.retry_ends()

    def _watch(self) -> None:
        """Closes the books of associations whose thread died without a word, or that found no room."""
        self._intake.retry_ends()
        for key in self._intake.open_sessions():
            if not cast("Association", key).is_alive():
                self._intake.aborted(key)

    def _entity(self) -> ApplicationEntity:
        entity = ApplicationEntity(self._settings.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.maximum_pdu_size = self._settings.max_pdu_bytes
        entity.network_timeout = self._settings.idle_timeout_s
        entity.acse_timeout = min(_ARTIM_S, self._settings.idle_timeout_s)
        # Our own admission decides; this must only never be the lower limit.
        entity.maximum_associations = 2 * self._settings.max_associations + _BACKLOG
        entity.add_supported_context(VERIFICATION, list(TRANSFER_SYNTAXES[:3]))
        for sop_class in STORAGE_CLASSES.values():
            entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
        return entity

    def _handlers(self) -> list[Handler]:
        return [
            (evt.EVT_CONN_OPEN, self._on_connection),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_C_ECHO, _on_echo),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_RELEASED, self._on_released),
            (evt.EVT_PDU_RECV, self._on_pdu_received),
            (evt.EVT_PDU_SENT, self._on_pdu_sent),
            (evt.EVT_ABORTED, self._on_aborted),
        ]

    def _on_connection(self, event: Event) -> None:
        connection = cast("AssociationSocket", event.assoc.dul.socket).socket
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Without it a peer that stalls within a PDU would hold a thread for ever.
            connection.settimeout(self._settings.idle_timeout_s)
            bound(
                event.assoc,
                max_pdu_bytes=self._settings.max_pdu_bytes,
                max_instance_bytes=self._max_instance_bytes,
            )

    def _on_requested(self, event: Event) -> None:
        association = event.assoc
        request = cast("A_ASSOCIATE", association.requestor.primitive)
        reason = self._intake.admit(
            association,
            calling=str(request.calling_ae_title),
            called=str(request.called_ae_title),
            peer=str(association.requestor.address),
        )
        if reason is not None:
            association.acse.send_reject(*reason.value)
            association.kill()

    def _on_store(self, event: Event) -> Dataset:
        request = cast("C_STORE", event.request)
        encoded = request.DataSet.getbuffer() if request.DataSet is not None else memoryview(b"")
        answer = self._intake.keep(
            event.assoc,
            StoreRequest(
                sop_class_uid=str(request.AffectedSOPClassUID),
                sop_instance_uid=str(request.AffectedSOPInstanceUID),
                transfer_syntax_uid=str(event.context.transfer_syntax),
                data_set=encoded,
            ),
        )
        response = Dataset()
        response.Status = int(answer.status)
        if answer.comment:
            response.ErrorComment = answer.comment
        return response

    def _on_released(self, event: Event) -> None:
        self._intake.released(event.assoc)

    def _on_pdu_received(self, event: Event) -> None:
        pdu = cast("object", event.pdu)  # pyright: ignore[reportUnknownMemberType] # set at run time
        if isinstance(pdu, A_ABORT_RQ):
            by_user = pdu.source == _PEER_USER_ABORT
            self._intake.ending(event.assoc, "peer_aborted" if by_user else "peer_provider_aborted")

    def _on_pdu_sent(self, event: Event) -> None:
        """An A-ABORT of our provider answers a PDU that broke the protocol."""
        pdu = cast("object", event.pdu)  # pyright: ignore[reportUnknownMemberType] # set at run time
        if isinstance(pdu, A_ABORT_RQ) and pdu.source == _PROVIDER_ABORT:
            self._intake.ending(event.assoc, "protocol_error")

    def _on_aborted(self, event: Event) -> None:
        if event.assoc.dul.idle_timer_expired():
            self._intake.ending(event.assoc, "idle_timeout")
        self._intake.aborted(event.assoc)


def _on_echo(event: Event) -> int:
    return 0x0000
