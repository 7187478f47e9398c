"""What decides whether a page still goes out and is followed, held against the last the trail says of it.

A receipt and the place of an alert change as long as somebody waits, so no digest of their first words
vouches for them. Whoever writes a PUBACK that never came, or closes an alert, silences a page.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from edge.domain.chain import digest

# All that says how an alert is followed; when it was last offered changes without a step.
STANDING_FIELDS = (
    "alert_id, stage, stage_since, opened_at, pages, step, times, due_at, exhausted, urgency, "
    "finding_key, test, said_number, said_key, rung_key, opened_sequence"
)

# The last word on each message. Early versions took over an older ledger without telling its receipts.
TOLD_RECEIPTS = """
SELECT subject, number, what != 'found_outbox' OR json_type(detail, '$.acknowledged_at') IS NOT NULL,
       json_extract(detail, '$.acknowledged_at'),
       CASE what WHEN 'message_unheard' THEN 0 ELSE json_extract(detail, '$.subscribers') END
FROM trail WHERE what IN ('found_outbox', 'message_unheard', 'message_published') ORDER BY number"""

RECEIPTS = "SELECT sequence, published_at, subscribers FROM outbox ORDER BY sequence"

TOLD_STEPS = """
SELECT subject, json_extract(detail, '$.standing'),
       json_extract(detail, '$.stage'), json_extract(detail, '$.step'), json_extract(detail, '$.times')
FROM trail WHERE what = 'alert_step' ORDER BY number"""

STANDING = f"""
SELECT alert_id, stage, step, times, {STANDING_FIELDS} FROM alert_lifecycle
ORDER BY said_number"""  # noqa: S608 - our own words


def standing_faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Within the transaction of whoever verifies, who has found every link in its place."""
    yield from _receipts(connection)
    yield from _followed(connection)


def _receipts(connection: sqlite3.Connection) -> Iterator[str]:
    told = {subject: last for subject, *last in connection.execute(TOLD_RECEIPTS)}
    for sequence, *found in connection.execute(RECEIPTS):
        number, covered, *receipt = told.get(str(sequence), (None, 1, None, None))
        if covered and found != receipt:
            said = "no link tells of any" if number is None else f"link {number} tells of another"
            yield f"outbox {sequence} has a receipt that was changed: {said}"


def _followed(connection: sqlite3.Connection) -> Iterator[str]:
    told = {subject: last for subject, *last in connection.execute(TOLD_STEPS)}
    for alert, *found in connection.execute(STANDING):
        if alert not in told:
            yield f"alert_lifecycle {alert} was put in by somebody else: no link is about it"
            continue
        # Steps of early versions tell only where the alert stood.
        standing, *place = told.pop(alert)
        if found[:3] != place or (standing is not None and digest(found[3:]) != standing):
            yield f"alert_lifecycle {alert} is not as its last step left it: it was changed"
    for alert in told:
        yield f"alert_lifecycle {alert} is gone: nobody follows that alert"
