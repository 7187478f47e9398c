"""Why the broker, or the way to it, said no: labels in snake_case."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """MQTT 5 reason code (2.4); `name` is the standard's, so it makes a metric label."""

    value: int
    name: str

    @classmethod
    def of(cls, value: int, words: str) -> ReasonCode:
        return cls(value, words.lower().replace(" ", "_").replace("-", "_"))


# The first class that fits; SSLCertVerificationError before its ancestors.
CONNECT_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "certificate_verify_failed"),
    (ssl.SSLError, "tls_failed"),
    (socket.gaierror, "name_not_resolved"),
    (ConnectionRefusedError, "connection_refused"),
    (TimeoutError, "connect_timeout"),
)


def connect_failure(error: BaseException | None) -> str:
    """The label of an error that ended a connection attempt."""
    return next((name for kind, name in CONNECT_FAILURES if isinstance(error, kind)), "connect_failed")
