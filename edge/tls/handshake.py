"""The server's side of a handshake, and why it failed in one word of a few."""

from __future__ import annotations

import socket
import ssl

from edge.errors import RejectInput
from edge.tls.certificate import Certificate, certificate_from_der

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_VERDICTS = {
    9: "not_yet_valid",
    10: "expired",
    18: "unknown_ca",
    19: "unknown_ca",
    20: "unknown_ca",
    21: "unknown_ca",
    23: "revoked",
    26: "wrong_purpose",
}
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no_certificate",
    "UNSUPPORTED_PROTOCOL": "version_too_low",
    "VERSION_TOO_LOW": "version_too_low",
    "UNKNOWN_PROTOCOL": "version_too_low",
    "INAPPROPRIATE_FALLBACK": "version_too_low",
    "NO_SHARED_CIPHER": "no_shared_suite",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no_shared_suite",
    "WRONG_VERSION_NUMBER": "not_tls",
    "HTTP_REQUEST": "not_tls",
    "HTTPS_PROXY_REQUEST": "not_tls",
    "UNEXPECTED_EOF_WHILE_READING": "connection_lost",
}
# Alerts of the client about us: it does not know our authority, or does not like our certificate.
_REFUSED_BY_PEER = ("TLSV1_ALERT_", "SSLV3_ALERT_", "TLSV13_ALERT_")


class HandshakeRefused(RejectInput):
    """The connection never became a TLS connection; `reason` says why."""


def wrap(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """`connection` is used up; nothing is said or heard yet. Raises OSError when the peer is gone."""
    return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)


def shake_hands(encrypted: ssl.SSLSocket, deadline_s: float) -> Certificate:
    """Who is at the other end; to be called in the association's own thread.

    `deadline_s` bounds the whole handshake, however slowly bytes drip in. Raises HandshakeRefused; the
    connection then is closed.
    """
    try:
        # A socket with a timeout: OpenSSL's handshake as a whole is held to it, not each read.
        encrypted.settimeout(deadline_s)
        encrypted.do_handshake()
        encoded = encrypted.getpeercert(binary_form=True)
        assert encoded is not None  # CERT_REQUIRED
        return certificate_from_der(encoded)
    except (OSError, ValueError) as error:
        encrypted.close()
        raise HandshakeRefused(reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """One word of a few, for metric and log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICTS.get(error.verify_code, "certificate_unfit")
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        told = error.reason or ""
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return "connection_lost"
        if told.startswith(_REFUSED_BY_PEER):
            return "refused_by_peer"
        return _REASONS.get(told, "protocol_error")
    return "connection_lost" if isinstance(error, OSError) else "certificate_unreadable"
