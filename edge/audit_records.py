"""Which happenings are told to the audit repository, and how many of a kind in a minute."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from edge.domain.audit import Alarm, ApplicationActivity, AuditRecord, Indicator, SecurityAlert
from edge.telemetry.events import (
    AnswerRefused,
    ApplianceStarted,
    ApplianceStopping,
    AssociationRejected,
    Happening,
    RanAsRoot,
)
from edge.telemetry.tls_events import CertificatesRefused, CertificatesReplaced, TlsHandshakeFailed

# Who may not associate (PS3.8 table 9-21); the other reasons are about load and negotiation.
_NOT_ADMITTED = frozenset(
    {"calling_ae_title_not_recognized", "called_ae_title_not_recognized", "no_reason_given"}
)
MOST_A_MINUTE = 10
_MINUTE_S = 60.0


def record_of(happening: Happening, at: datetime) -> AuditRecord | None:
    """None for what is nobody's business but ours."""
    match happening:
        case ApplianceStarted(role=role):
            return ApplicationActivity(at, role, starts=True)
        case ApplianceStopping(role=role):
            return ApplicationActivity(at, role, starts=False)
        case TlsHandshakeFailed(reason=reason, peer_address=peer):
            said = f"TLS handshake failed: {reason}"
            return SecurityAlert(at, Alarm.NODE_AUTHENTICATION, Indicator.MINOR, said, peer)
        case AssociationRejected(reason=reason, peer_address=peer, mismatch=mismatch):
            if not mismatch and reason not in _NOT_ADMITTED:
                return None
            said = f"association rejected: {reason}{f' ({mismatch})' if mismatch else ''}"
            return SecurityAlert(at, Alarm.NODE_AUTHENTICATION, Indicator.MINOR, said, peer)
        case AnswerRefused(reason=reason):
            said = f"an answer to a page was refused: {reason}"
            return SecurityAlert(at, Alarm.RESTRICTED_FUNCTION, Indicator.MINOR, said)
        case CertificatesReplaced(certificate=which):
            said = f"new certificate in use: {which}"
            return SecurityAlert(at, Alarm.SECURITY_CONFIGURATION, Indicator.SUCCESS, said)
        case CertificatesRefused(certificate=which):
            said = f"new certificate refused, the old one stays in use: {which}"
            return SecurityAlert(at, Alarm.SECURITY_CONFIGURATION, Indicator.SERIOUS, said)
        case RanAsRoot(role=role):
            said = f"{role} runs as root"
            return SecurityAlert(at, Alarm.SOFTWARE_CONFIGURATION, Indicator.MINOR, said)
        case _:
            return None


class Damper:
    """Alerts that a stranger can cause: ten a minute of a kind; the next says how many were left out."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._since: dict[tuple[Alarm, str], float] = {}
        self._count = defaultdict[tuple[Alarm, str], int](int)

    def passes(self, alert: SecurityAlert) -> SecurityAlert | None:
        """The alert, None where it is one too many; `description` is its kind, so it holds no address."""
        kind, now = (alert.alarm, alert.description), self._monotonic()
        with self._lock:
            left_out = 0
            if now - self._since.get(kind, -_MINUTE_S) >= _MINUTE_S:
                left_out = max(0, self._count[kind] - MOST_A_MINUTE)
                self._since[kind], self._count[kind] = now, 0
            self._count[kind] += 1
            if self._count[kind] > MOST_A_MINUTE:
                return None
        if not left_out:
            return alert
        return replace(alert, description=f"{alert.description} (and {left_out} more in the minute before)")
