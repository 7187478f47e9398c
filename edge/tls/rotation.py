"""Certificates in use, and their replacement by new files while connections live on."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.errors import FixConfiguration
from edge.ports import Clock
from edge.telemetry.tls_events import (
    CertificateExpiring,
    CertificateMeasured,
    CertificatesRefused,
    CertificatesReplaced,
    TlsHappening,
)
from edge.tls.certificate import Certificate, certificates_in
from edge.tls.profile import server_context

_WARN_EVERY_S = 86400.0
_DAY_S = 86400.0

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Three PEM files: our certificate with its chain, its key, and the authorities of our peers."""

    certificate_file: Path
    key_file: Path
    ca_file: Path

    def load(self, now: datetime) -> tuple[ssl.SSLContext, Certificate]:
        """Raises FixConfiguration that names the file; expired ones are refused, for no peer takes them."""
        own = readable(self.certificate_file)[0]
        readable(self.ca_file)
        if own.not_after <= now:
            raise FixConfiguration(
                f"{self.certificate_file} expired {own.not_after:%Y-%m-%d %H:%M} UTC", hint="Renew it."
            )
        try:
            return server_context(self.certificate_file, self.key_file, self.ca_file), own
        except (OSError, ssl.SSLError) as error:
            told = getattr(error, "reason", None) or error
            raise FixConfiguration(
                f"{self.certificate_file} and {self.key_file} cannot be used together: {told}",
                hint="The key must be PEM, unencrypted, and the one the certificate was made for.",
            ) from error

    def stamp(self) -> Stamp:
        """Changes whenever any of the files does, also when a link leads elsewhere."""
        return tuple(_stamp(p) for p in (self.certificate_file, self.key_file, self.ca_file))


def readable(path: Path) -> list[Certificate]:
    """Its certificates, one at least; raises FixConfiguration."""
    try:
        return certificates_in(path)
    except OSError as error:
        raise FixConfiguration(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FixConfiguration(f"{path} holds no PEM certificate: {error}") from error


class RotatingContext:
    """`context` for the next handshake; `look` once in a while replaces it when the files have changed.

    One thread looks, any thread may take the context. Running connections keep what they have.
    """

    def __init__(
        self,
        name: str,
        credentials: Credentials,
        clock: Clock,
        emit: Callable[[TlsHappening], None],
        *,
        warn_days: float,
    ) -> None:
        """`name` says in log and metric which certificate this is; raises FixConfiguration."""
        self._name = name
        self._credentials = credentials
        self._clock = clock
        self._emit = emit
        self._warn_s = warn_days * _DAY_S
        self._warned: float | None = None
        self._stamp = self._seen = credentials.stamp()
        self.context, self.certificate = credentials.load(clock.utc())

    def look(self) -> None:
        """Takes new files once they have been the same in two looks; a broken one keeps the old, loudly.

        Two looks, because certificate and key are replaced one after the other.
        """
        stamp = self._credentials.stamp()
        settled, self._seen = stamp == self._seen, stamp
        if settled and stamp != self._stamp:
            self._stamp = stamp
            self._replace()

    def measure(self) -> None:
        """Tells the time that is left, and a warning once a day when it is short."""
        left_s = (self.certificate.not_after - self._clock.utc()).total_seconds()
        self._emit(CertificateMeasured(self._name, left_s))
        now = self._clock.monotonic()
        if left_s < self._warn_s and (self._warned is None or now - self._warned >= _WARN_EVERY_S):
            self._warned = now
            self._emit(CertificateExpiring(self._name, round(left_s / _DAY_S, 1)))

    def _replace(self) -> None:
        try:
            self.context, self.certificate = self._credentials.load(self._clock.utc())
        except FixConfiguration as error:
            self._emit(CertificatesRefused(self._name, f"the old one stays in use: {error}"))
        else:
            self._warned = None
            self._emit(CertificatesReplaced(self._name, f"{self.certificate.not_after:%Y-%m-%d}"))
            self.measure()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
