"""The part of the wiring that tells the site's audit repository; off unless [audit] names one, or a file."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge.audit.message import Source, Writer
from edge.audit_trail import AuditTrail
from edge.domain.identity import token
from edge.ports import Clock
from edge.settings import Settings
from edge.spool.audit_spool import AuditFile, AuditSpool
from edge.spool.identity_key import appliance_key
from edge.telemetry.events import Happening


@contextmanager
def auditing(settings: Settings, clock: Clock, emit: Callable[[Happening], None]) -> Generator[AuditTrail]:
    """Records what happens in this process; at the end all of it is durable."""
    state_dir, chosen = settings.appliance.state_dir, settings.audit
    key = appliance_key(state_dir) if chosen.on else b""
    source = Source(settings.appliance.name, chosen.site, settings.dicom.ae_title, socket.gethostname())
    trail = AuditTrail(
        Writer(source, lambda kind, name: token(key, kind, name), identifiers=chosen.identifiers),
        AuditSpool(state_dir, chosen.spool_messages, clock) if chosen.host is not None else None,
        AuditFile(chosen.file) if chosen.file is not None else None,
        clock,
        emit,
    )
    trail.start()
    try:
        yield trail
    finally:
        trail.close()
