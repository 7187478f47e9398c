"""The receiver's half of retention: it removes the files of the series that the agent asks it to.

The agent writes what shall go into its ledger.db, the receiver reads that, removes, and writes into inbox.db
how far it got: each file still has one writer. Journal rows stay, so a repeat of a removed instance is known;
its bytes are then kept again, for an acknowledgement without bytes would be a lie.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.spool.continuity import LEDGER_DATABASE
from edge.spool.database import open_reader, sqlite_errors
from edge.spool.entries import INBOX_DATABASE, INBOX_SCHEMA, Entries
from edge.spool.schema import schema_of

NEXT = """
SELECT number, through_entry, (SELECT json_group_array(sequence) FROM instance_series
                               WHERE instance_series.series_instance_uid = removal.series_instance_uid)
FROM removal WHERE number > ? ORDER BY number LIMIT 1"""

# An instance that came again after the request was made is wanted again.
NOT_AGAIN_SINCE = """
SELECT sop_instance_uid, path, size_bytes FROM entry AS kept
WHERE kind = 'instance_stored' AND sequence IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM entry AS again
    WHERE again.sequence > ? AND again.sop_instance_uid = kept.sop_instance_uid)"""

LAST = "SELECT coalesce(max(sequence), 0) FROM entry"
AGAIN = "SELECT sop_instance_uid FROM entry WHERE sequence > ? AND sop_instance_uid IS NOT NULL"
DONE_THROUGH = "SELECT through_number FROM removals_done"
DONE = "UPDATE removals_done SET through_number = ?"

# How many files go in one transaction, which instances that arrive wait for.
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Removed:
    """What one request freed; an instance that was removed before counts for nothing."""

    instances: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, what of it may go, and the last entry when that was looked up."""

    number: int
    seen: int
    leaving: list[tuple[str, str, int]]


class Removals:
    """For one thread of the receiver's first process."""

    def __init__(self, state_dir: Path, entries: Entries) -> None:
        self._state_dir, self._entries = state_dir, entries

    def turn(self) -> Removed | None:
        """Does the next request; None when there is none. Again after a crash, for what is gone is gone.

        Raises EdgeError or OSError, after which the next turn begins the same request again.
        """
        asked = self._next()
        if asked is None:
            return None
        removed = [
            self._remove(asked.seen, asked.leaving[start : start + _BATCH])
            for start in range(0, len(asked.leaving), _BATCH)
        ]
        self._entries.write(lambda connection: connection.execute(DONE, (asked.number,)))
        return Removed(sum(r.instances for r in removed), sum(r.size_bytes for r in removed))

    def _next(self) -> _Asked | None:
        ledger_path, inbox_path = self._state_dir / LEDGER_DATABASE, self._state_dir / INBOX_DATABASE
        ledger = open_reader(ledger_path, schema_of("ledger"))
        if ledger is None:
            return None
        with closing(ledger):
            # A reader of its own: the writers of the journal are not held up by a look at it.
            inbox = open_reader(inbox_path, INBOX_SCHEMA)
            assert inbox is not None, "the receiver has made it"
            with closing(inbox):
                with sqlite_errors(inbox_path):
                    done = inbox.execute(DONE_THROUGH).fetchone()
                with sqlite_errors(ledger_path):
                    request = ledger.execute(NEXT, done).fetchone()
                if request is None:
                    return None
                number, through_entry, sequences = request
                with sqlite_errors(inbox_path):
                    (seen,) = inbox.execute(LAST).fetchone()
                    leaving = inbox.execute(NOT_AGAIN_SINCE, (sequences, through_entry)).fetchall()
                return _Asked(number, seen, leaving)

    def _remove(self, seen: int, leaving: list[tuple[str, str, int]]) -> Removed:
        """Alone with the journal: a repeat is written before, and its file stays, or finds no file."""

        def work(connection: sqlite3.Connection) -> Removed | OSError:
            again = {row[0] for row in connection.execute(AGAIN, (seen,))}
            instances = size_bytes = 0
            for uid, path, size in leaving:
                if uid in again:
                    continue
                try:
                    (self._state_dir / path).unlink()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    return error  # of this file, and not of who shares the transaction
                instances, size_bytes = instances + 1, size_bytes + size
            return Removed(instances, size_bytes)

        removed = self._entries.write(work)
        if isinstance(removed, OSError):
            raise removed
        return removed
