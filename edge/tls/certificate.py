"""What a certificate says of its holder, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from edge.domain.identity import CertificateName


@dataclass(frozen=True, slots=True)
class Certificate:
    """`names` are all it may be listed by in dicom.peers; `subject` is its RFC 4514 text."""

    subject: str
    issuer: str
    not_after: datetime
    fingerprint: CertificateName
    names: frozenset[CertificateName]


def certificate_from_der(der: bytes) -> Certificate:
    """Raises ValueError when it is no X.509 certificate, or one nobody can read."""
    return _all_read(lambda: [x509.load_der_x509_certificate(der)])[0]


def certificates_in(path: Path) -> list[Certificate]:
    """Every certificate of a PEM file, in its order; raises OSError, or ValueError when there is none."""
    content = path.read_bytes()
    return _all_read(lambda: x509.load_pem_x509_certificates(content))


def _all_read(load: Callable[[], list[x509.Certificate]]) -> list[Certificate]:
    try:
        return [_read(one) for one in load()]
    except MemoryError:
        raise
    except Exception as error:  # what x509 raises for a name or version it does not know has no common base
        raise ValueError(str(error)) from error


def _read(certificate: x509.Certificate) -> Certificate:
    subject = certificate.subject.rfc4514_string()
    fingerprint = CertificateName(f"sha256:{certificate.fingerprint(SHA256()).hex()}")
    names = [f"subject:{subject}"] if subject else []
    names += [f"dns:{name}" for name in _alternative_names(certificate) if name]
    return Certificate(
        subject=subject,
        issuer=certificate.issuer.rfc4514_string(),
        not_after=certificate.not_valid_after_utc,
        fingerprint=fingerprint,
        names=frozenset([fingerprint, *(CertificateName(name) for name in names)]),
    )


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return found.value.get_values_for_type(x509.DNSName)
