"""The agent's part of the audit messages: what associations brought, and the way to the repository."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from edge.audit.syslog import SyslogConnection
from edge.audit_sender import AuditSender
from edge.audit_trail import AuditTrail
from edge.audit_transfers import TransferWatch
from edge.domain.identity import SopInstanceUID
from edge.ports import Clock
from edge.settings import Settings
from edge.spool.audit_spool import AuditMark, AuditSpool
from edge.spool.journal import InboxJournal
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import Happening

# Two looks, an attempt that hangs, and a moment to settle.
_END_S = 6.0


def transfers_told(
    state_dir: Path, journal: InboxJournal, ledger: SqliteLedger, trail: AuditTrail, begin: int
) -> TransferWatch:
    """The agent takes up the journal at `begin`; what came before audit messages were new is not told."""

    def series_of(instance: SopInstanceUID) -> str | None:
        sequence = journal.sequence_of(instance)
        return None if sequence is None else ledger.series_of(sequence)

    span = journal.span()
    watch = TransferWatch(series_of, trail.record, AuditMark(state_dir, first=span.last if span else 0))
    watch.catch_up(journal, begin)
    return watch


@asynccontextmanager
async def sending_audit(
    settings: Settings, clock: Clock, emit: Callable[[Happening], None]
) -> AsyncGenerator[None]:
    """Sends what any process of the appliance recorded; what is left at the end is sent at the next start."""
    if settings.audit.host is None:
        yield
        return
    spool = AuditSpool(settings.appliance.state_dir, settings.audit.spool_messages, clock)
    sender = AuditSender(spool, SyslogConnection(settings.audit), clock, emit)
    thread = threading.Thread(target=sender.run, name="audit-sender", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        await asyncio.to_thread(thread.join, _END_S)
