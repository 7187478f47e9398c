"""Metrics of peers, handshakes and certificates; the rules of metrics.py hold here too."""

from __future__ import annotations

from edge.telemetry.instruments import Metric, counter, gauge

PEER_MISMATCH_KINDS = ("unlisted_title", "other_address", "other_certificate", "plain_not_allowed")
_RECEIVER = frozenset({"receiver"})

# other_certificate is somebody who poses as another; the rest is a scanner or a table to correct.
PEER_MISMATCHES = counter(
    "edge_peer_mismatches_total",
    "Associations rejected because of dicom.peers, by what did not match.",
    _RECEIVER,
    ("mismatch",),
    tuple((m,) for m in PEER_MISMATCH_KINDS),
)
# no_certificate and unknown_ca are strangers or a scanner to set up; expired is a certificate to renew.
TLS_HANDSHAKE_FAILURES = counter(
    "edge_tls_handshake_failures_total",
    "Connections to the TLS port whose handshake failed, by reason.",
    _RECEIVER,
    ("reason",),
    tuple((r,) for r in ("no_certificate", "unknown_ca", "expired", "version_too_low", "not_tls")),
)
# refused means that the old certificate is still in use and will expire.
CERTIFICATES_REPLACED = counter(
    "edge_certificates_replaced_total",
    "Certificate files that changed while running, by result: replaced or refused.",
    _RECEIVER,
    ("result",),
    (("replaced",), ("refused",)),
)
# Below zero nobody can connect over TLS any more; certificate is dicom, that of the TLS port.
CERTIFICATE_EXPIRES = gauge(
    "edge_certificate_expires_seconds",
    "Seconds until a certificate of this appliance expires.",
    frozenset(),
    ("certificate",),
)

TLS_CATALOGUE: tuple[Metric, ...] = tuple(m for m in list(globals().values()) if isinstance(m, Metric))
