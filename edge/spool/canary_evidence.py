"""What the ledger shows of one canary, read beside the agent that writes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from edge.domain.alert import AlertStatus
from edge.domain.canary import CANARY_ROLE, Evidence, Page
from edge.domain.identity import SeriesInstanceUID
from edge.domain.outcome import OutcomeKind
from edge.spool.ledger_copy import reading_ledger

DECODED = "SELECT count(*) FROM instance_series WHERE series_instance_uid = ?"

OUTCOME = "SELECT kind FROM outcome WHERE series_instance_uid = ? ORDER BY revision DESC LIMIT 1"

# Any answer of a test pager says that the page has reached it.
PAGES = """
SELECT status, degraded, enqueued_at, published_at, subscribers IS NOT 0,
       (SELECT min(at) FROM acknowledgement WHERE message_key = outbox.key AND role = :role),
       (SELECT min(recorded_at) FROM acknowledgement WHERE message_key = outbox.key AND role = :role)
FROM alert JOIN outbox ON outbox.key = alert.outbox_key
WHERE series_instance_uid = :series ORDER BY number"""


def look(state_dir: Path, series: SeriesInstanceUID, instances: int, *, acknowledged: bool) -> Evidence:
    """Raises EdgeError when the ledger cannot be read just now."""
    with reading_ledger(state_dir) as ledger:
        (decoded,) = ledger.execute(DECODED, (series,)).fetchone()
        pages = ledger.execute(PAGES, {"role": CANARY_ROLE, "series": series}).fetchall()
        outcome = ledger.execute(OUTCOME, (series,)).fetchone()
    return Evidence(
        instances=instances,
        acknowledged=acknowledged,
        decoded=decoded,
        pages=tuple(_page(*row) for row in pages),
        outcome=None if outcome is None else OutcomeKind(outcome[0]),
    )


def _page(
    status: str,
    degraded: int,
    queued_at: str,
    published_at: str | None,
    heard: int,
    received_at: str | None,
    answered_at: str | None,
) -> Page:
    """From the columns of `PAGES`."""
    times = (_time(published_at), bool(heard), _time(received_at), _time(answered_at))
    return Page(AlertStatus(status), bool(degraded), datetime.fromisoformat(queued_at), *times)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
