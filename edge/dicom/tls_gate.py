"""The way in through the TLS port: a handshake, and then a peer whose certificate is known."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from edge.dicom.peers import Peer
from edge.errors import FixConfiguration
from edge.peer_settings import DicomTlsSettings
from edge.ports import Clock
from edge.telemetry.tls_events import TlsHandshakeFailed, TlsHappening
from edge.tls.handshake import HandshakeRefused, shake_hands, wrap
from edge.tls.rotation import Credentials, RotatingContext

CERTIFICATE = "dicom"


class TlsGate:
    """One per receiver; `enter` is for the threads of associations, `look` and `measure` for one other."""

    def __init__(
        self, settings: DicomTlsSettings, clock: Clock, emit: Callable[[TlsHappening], None]
    ) -> None:
        """Raises FixConfiguration when the files cannot serve a handshake."""
        self._emit = emit
        self._rotating = RotatingContext(
            CERTIFICATE, credentials(settings), clock, emit, warn_days=settings.warn_days
        )
        self.look, self.measure = self._rotating.look, self._rotating.measure

    def wrap(self, accepted: socket.socket) -> ssl.SSLSocket:
        """With the certificate in use now; raises OSError when the connection is gone."""
        return wrap(accepted, self._rotating.context)

    def enter(self, encrypted: ssl.SSLSocket, address: str, timeout_s: float) -> Peer:
        """Raises OSError when the handshake failed; that is told by then, and the connection closed."""
        try:
            certificate = shake_hands(encrypted, timeout_s)
        except HandshakeRefused as refused:
            self._emit(TlsHandshakeFailed(refused.reason, address))
            raise ConnectionAbortedError(refused.reason) from refused
        return Peer(address, certificate.names)


def credentials(settings: DicomTlsSettings) -> Credentials:
    """The files of dicom_tls; raises FixConfiguration while one is not set."""
    files = (settings.certificate_file, settings.key_file, settings.ca_file)
    certificate_file, key_file, ca_file = files
    if certificate_file is None or key_file is None or ca_file is None:
        raise FixConfiguration("dicom_tls needs certificate_file, key_file and ca_file")
    return Credentials(certificate_file, key_file, ca_file)
