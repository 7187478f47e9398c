"""The trail of the ledger: what happened to each series, written with what it is about, chained by a key.

Functions and triggers live on the agent's one connection, so no statement of the ledger can forget it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from edge.domain.chain import FIRST, chain_key, digest, link, seal
from edge.domain.identity import token
from edge.errors import FixConfiguration
from edge.ports import Clock
from edge.spool.files import NO_ROOM
from edge.spool.ledger_rows import time_text
from edge.spool.standing import STANDING_FIELDS

TRAIL_MARK = "ledger.trail"
_DIGITS = 20
# What a record is known by, and what may change of it later on without being told as a change.
RECORDS: Mapping[str, str] = {
    "outcome": "outcome_id",
    "alert": "number",
    "outbox": "sequence",
    "alert_step": "number",
    "acknowledgement": "number",
    "notice_attempt": "number",
    "quiet": "number",
}
_OF_A_SERIES = frozenset({"outcome", "alert"})
# Of these, standing.py holds what keeps a page from going out against the trail.
_MAY_CHANGE = frozenset({"published_at", "reason_code", "subscribers", "handled"})

SERIES_OF_MESSAGE = """coalesce(
    (SELECT series_instance_uid FROM alert WHERE outbox_key = new.key),
    (SELECT series_instance_uid FROM outcome WHERE outcome_id = new.key))"""

# A study's alert may be of several series; it is told with the one that spoke last.
SERIES_OF_ALERT = """(SELECT series_instance_uid FROM alert WHERE alert_id = new.alert_id
    ORDER BY number DESC LIMIT 1)"""

APPEND = "INSERT INTO trail (at, series_token, what, subject, detail) VALUES (?, '', ?, '', json(?))"

LAST = "SELECT coalesce(max(number), 0) FROM trail"

# Once, when the ledger of a version without a trail is opened: what was there is vouched for as found.
FOUND = """
INSERT INTO trail (at, series_token, what, subject, detail,
                   record_table, record_row, record_fields, record_digest)
SELECT trail_now(), {series}, 'found_{table}', {row}, {detail},
       '{table}', {row}, '{fields}', trail_digest({fields})
FROM {table} ORDER BY {row}"""
_FOUND_DETAIL = {"outbox": "json_object('acknowledged_at', published_at, 'subscribers', subscribers)"}


class Trail:
    """Appends to the trail of one connection; `note` after each commit keeps the mark."""

    def __init__(self, state_dir: Path, connection: sqlite3.Connection, key: bytes, clock: Clock) -> None:
        self._connection, self._appliance_key, self._key = connection, key, chain_key(key)
        self._path = state_dir / TRAIL_MARK
        connection.create_function("trail_now", 0, lambda: time_text(clock.utc()))
        connection.create_function("trail_series", 1, self._series)
        connection.create_function("trail_digest", -1, lambda *fields: digest(fields), deterministic=True)
        connection.create_function("trail_link", -1, self._link)
        connection.executescript(_triggers(connection))
        self._noted = -1

    @property
    def last(self) -> int:
        """The number of the last row."""
        return int(self._connection.execute(LAST).fetchone()[0])

    def begin(self, *, accepted: bool) -> None:
        """In a transaction: vouches once for what an older version wrote; tells of an older copy taken.

        Raises FixConfiguration when rows are gone that this appliance wrote, unless that is `accepted`.
        """
        last, reached = self.last, marked_length(self._path, self._key) or 0
        if last < reached and not accepted:
            raise FixConfiguration(
                f"the trail of ledger.db in {self._path.parent} ends at {last}, but it got to {reached}: "
                "it is an older copy, or somebody cut it off",
                hint="Restore the latest ledger.db. If there is none, rename ledger.mark to ledger.accepted.",
            )
        if last < reached:
            self._connection.execute(
                APPEND, (self._now(), "ledger_accepted", f'{{"ended_at": {last}, "had_got_to": {reached}}}')
            )
            self._noted = -1
            self._path.unlink(missing_ok=True)
        elif not last:
            self._connection.execute(APPEND, (self._now(), "trail_began", "{}"))
            for table, row in RECORDS.items():
                series = "trail_series(series_instance_uid)" if table in _OF_A_SERIES else "''"
                fields = _fields(self._connection, table)
                detail = _FOUND_DETAIL.get(table, "'{}'")
                self._connection.execute(
                    FOUND.format(series=series, table=table, row=row, fields=fields, detail=detail)
                )

    def note(self) -> None:
        """Puts down how long the trail is; not synced, so it may be low but never too high."""
        last = self.last
        if last <= self._noted:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, f"{last:0{_DIGITS}d} {seal(self._key, last)}\n".encode("ascii"), 0)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
        else:
            self._noted = last
        finally:
            os.close(descriptor)

    def _series(self, uid: str | None) -> str:
        return "" if uid is None else token(self._appliance_key, "series", uid)

    def _now(self) -> str:
        return str(self._connection.execute("SELECT trail_now()").fetchone()[0])

    def _link(self, before: bytes | None, number: int, *fields: str | None) -> bytes:
        return link(self._key, FIRST if before is None else before, (number, *fields))


def trail_length(state_dir: Path, key: bytes) -> int | None:
    """How long the trail of this appliance, whose identity key is `key`, got; see marked_length."""
    return marked_length(state_dir / TRAIL_MARK, chain_key(key))


def marked_length(path: Path, key: bytes) -> int | None:
    """What the mark at `path` says; 0 without one, None when nobody who has `key` wrote it."""
    written = path.read_text("ascii", "replace").strip("\0\n") if path.exists() else ""
    if not written:
        return 0  # no mark, or what a power cut leaves of one
    number, _, sealed = written.partition(" ")
    return int(number) if number.isdecimal() and sealed == seal(key, int(number)) else None


def _triggers(connection: sqlite3.Connection) -> str:
    script = files("edge.spool").joinpath("trail_triggers.sql").read_text(encoding="utf-8")
    script = script.replace("{series_of_message}", SERIES_OF_MESSAGE)
    script = script.replace("{series_of_alert}", SERIES_OF_ALERT)
    script = script.replace("{standing_fields}", STANDING_FIELDS)
    for table in RECORDS:
        fields = _fields(connection, table)
        new = ", ".join(f"new.{name}" for name in fields.split(", "))
        script = script.replace(f"{{{table}_fields}}", f"'{fields}'")
        script = script.replace(f"{{{table}_digest}}", f"trail_digest({new})")
    return script


def _fields(connection: sqlite3.Connection, table: str) -> str:
    named = (str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))
    return ", ".join(name for name in named if name not in _MAY_CHANGE)
