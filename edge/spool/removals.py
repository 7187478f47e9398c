"""The receiver's half of retention: it removes the files of the series that the agent asks it to.

The agent writes what shall go into its ledger.db, the receiver reads that, removes, and writes into inbox.db
how far it got: each file still has one writer. Journal rows stay, so a repeat of a removed instance is known;
its bytes are then kept again, for an acknowledgement without bytes would be a lie.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.spool.continuity import LEDGER_DATABASE
from edge.spool.database import open_reader
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA, Entries
from edge.spool.schema import schema_of

NEXT = """
SELECT number, through_entry, (SELECT json_group_array(sequence) FROM instance_series
                               WHERE instance_series.series_instance_uid = removal.series_instance_uid)
FROM removal WHERE number > ? ORDER BY number LIMIT 1"""

# An instance that came again after the request was made is wanted again.
NOT_AGAIN_SINCE = """
SELECT path, size_bytes FROM entry AS kept
WHERE kind = 'instance_stored' AND sequence IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM entry AS again
    WHERE again.sequence > ? AND again.sop_instance_uid = kept.sop_instance_uid)"""

DONE_THROUGH = "SELECT through_number FROM removals_done"


@dataclass(frozen=True, slots=True)
class Removed:
    """What one request freed; an instance that was removed before counts for nothing."""

    instances: int
    size_bytes: int


class Removals:
    """For one thread of the receiver's first process."""

    def __init__(self, state_dir: Path, entries: Entries) -> None:
        self._state_dir, self._entries = state_dir, entries

    def turn(self) -> Removed | None:
        """Does the next request; None when there is none. Again after a crash, for what is gone is gone."""
        ledger = open_reader(self._state_dir / LEDGER_DATABASE, schema_of("ledger"))
        if ledger is None:
            return None
        # A reader of its own: the writers of the journal are not held up by a look at it.
        inbox = open_reader(self._state_dir / INBOX_DATABASE, INBOX_SCHEMA)
        assert inbox is not None, "the receiver has made it"
        with closing(ledger), closing(inbox):
            request = ledger.execute(NEXT, inbox.execute(DONE_THROUGH).fetchone()).fetchone()
            if request is None:
                return None
            number, through_entry, sequences = request
            leaving = inbox.execute(NOT_AGAIN_SINCE, (sequences, through_entry)).fetchall()
        instances = size_bytes = 0
        for path, size in leaving:
            file = self._state_dir / path
            if file.exists():
                file.unlink(missing_ok=True)
                instances, size_bytes = instances + 1, size_bytes + size
        self._entries.removals_done(number)
        return Removed(instances, size_bytes)
