"""Happenings of certificates and handshakes; the rules of events.py hold here too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsHandshakeFailed:
    """A connection to the TLS port that never got as far as an association."""

    reason: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class CertificateMeasured:
    """`certificate` says which of ours; `expires_in_s` is negative once it has expired."""

    certificate: str
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class CertificateExpiring:
    """It is time to renew it; told once a day."""

    certificate: str
    days_left: float


@dataclass(frozen=True, slots=True)
class CertificatesReplaced:
    """New files are in use for every handshake from now on; `valid_until` is a date."""

    certificate: str
    valid_until: str


@dataclass(frozen=True, slots=True)
class CertificatesRefused:
    """New files cannot be used; the old ones stay in use."""

    certificate: str
    detail: str


TlsHappening = (
    TlsHandshakeFailed
    | CertificateMeasured
    | CertificateExpiring
    | CertificatesReplaced
    | CertificatesRefused
)
