"""Notices a database that is gone, an older copy, or not the partner of the other one."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from edge.errors import FixConfiguration
from edge.spool.files import NO_ROOM

LEDGER_DATABASE = "ledger.db"
LEDGER_MARK = "ledger.mark"
LEDGER_ACCEPTED = "ledger.accepted"
_DIGITS = 20

LAST_NUMBER = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?"

JOURNAL_SPAN = """
SELECT generation, (SELECT min(sequence) FROM entry), coalesce(
    (SELECT max(seq) FROM sqlite_sequence WHERE name = 'entry'), 0) FROM identity"""

HIGHEST_KNOWN = """
SELECT max(coalesce((SELECT max(sequence) FROM instance_series), 0),
           coalesce((SELECT max(through_sequence) FROM outcome), 0))"""


class HighWater:
    """The highest number a database ever gave out, in a small file beside it; safe from many threads.

    It is written after the commit and not synced: after a power cut it may be low, but never too high.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._reached = _number(self._file.read(_DIGITS))

    @property
    def reached(self) -> int:
        return self._reached

    def note(self, number: int) -> None:
        """Raises OSError when the disk fails; when it is only full the file stays low until the next note."""
        with self._lock:
            if number <= self._reached:
                return
            try:
                os.pwrite(self._file.fileno(), f"{number:0{_DIGITS}d}\n".encode("ascii"), 0)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
            else:
                self._reached = number

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class JournalSpan:
    """Which journal it is, and the sequences it holds; an empty one begins after its last."""

    generation: str
    first: int
    last: int

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> JournalSpan:
        generation, first, last = connection.execute(JOURNAL_SPAN).fetchone()
        return cls(generation, last + 1 if first is None else first, last)


def last_number(connection: sqlite3.Connection, table: str) -> int:
    """The highest AUTOINCREMENT value `table` ever had, even if that row is gone."""
    return int(connection.execute(LAST_NUMBER, (table,)).fetchone()[0])


def go_on_after(connection: sqlite3.Connection, table: str, number: int) -> None:
    """Makes the next AUTOINCREMENT value of `table` number + 1."""
    connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


def accepted_number(path: Path) -> int:
    """What the mark that a person renamed to `path` says, so that no message number comes twice; or 0."""
    return _number(path.read_bytes()[:_DIGITS]) if path.exists() else 0


def refuse_older_ledger(state_dir: Path, found: int, reached: int) -> None:
    """Raises FixConfiguration when fewer messages are known than were given numbers."""
    if found < reached:
        raise FixConfiguration(
            f"ledger.db in {state_dir} ends at message {found}, but this appliance got to {reached}: "
            "it is new, or an older copy",
            hint="Restore the latest ledger.db. If there is none, rename ledger.mark to ledger.accepted: "
            "it is then taken, and whatever of the inbox it does not know is analysed and paged again.",
        )


def attach(ledger: sqlite3.Connection, journal: JournalSpan) -> None:
    """Ties the ledger to the journal it is about; raises FixConfiguration when it is about another.

    A journal may follow another one when it goes on counting after all that the ledger knows.
    """
    known = int(ledger.execute(HIGHEST_KNOWN).fetchone()[0])
    row = ledger.execute("SELECT generation FROM journal").fetchone()
    same = row is None or row[0] == journal.generation
    if same and journal.last < known:
        raise FixConfiguration(
            f"inbox.db ends at entry {journal.last}, but the ledger knows {known}: it is an older copy",
            hint="Start the receiver first: it goes on counting after what was lost. If that does not help, "
            "restore the latest inbox.db, or see to it that nothing waits to be sent and move every "
            "ledger.* aside: the whole inbox is then analysed, and paged again.",
        )
    if not same and journal.first <= known:
        raise FixConfiguration(
            "ledger.db is about another inbox.db: the same numbers mean other images",
            hint="Restore the inbox.db and the ledger.db that belong together. If the inbox was emptied on "
            "purpose, move every ledger.* aside as well; what waits there to be sent is not sent then.",
        )
    if row is None or not same:
        ledger.execute("DELETE FROM journal")
        ledger.execute("INSERT INTO journal (generation) VALUES (?)", (journal.generation,))


def _number(written: bytes) -> int:
    # Zeros or nothing is what a power cut leaves of a file that was not synced.
    return int(written) if written.isdigit() else 0
