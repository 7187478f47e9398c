"""Whether the ledger is what the appliance wrote: the trail link by link, and every record it vouches for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.domain.chain import FIRST, chain_key, digest, link
from edge.spool.standing import standing_faults
from edge.spool.trail import RECORDS, TRAIL_MARK, trail_length

TRAIL = """
SELECT number, at, series_token, what, subject, detail, record_table, record_row, record_fields,
       record_digest, link
FROM trail ORDER BY number"""

VOUCHED = """
SELECT number, record_table, record_row, record_fields, record_digest FROM trail
WHERE record_table IS NOT NULL ORDER BY number"""

UNTOLD = """
SELECT {row} FROM {table} WHERE NOT EXISTS (
    SELECT 1 FROM trail WHERE record_table = '{table}' AND record_row = CAST({table}.{row} AS TEXT))
ORDER BY {row} LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Verified:
    """How long the trail is and its last link, to be noted down elsewhere; `broken` says the first fault."""

    length: int
    head: str
    broken: str = ""


def verify(connection: sqlite3.Connection, state_dir: Path | None, key: bytes) -> Verified:
    """Reads all of it; without `state_dir` it is a copy that the mark of the appliance says nothing about."""
    length, before = 0, FIRST
    connection.execute("BEGIN")
    try:
        for number, *fields, found in connection.execute(TRAIL):
            if number != length + 1:
                return Verified(length, before.hex(), f"link {length + 1} is missing")
            if found != link(chain_key(key), before, (number, *fields)):
                return Verified(
                    length, before.hex(), f"link {number} does not fit what it says or the one before"
                )
            length, before = number, found
        faults = [*_end(length, state_dir, key), *_records(connection), *standing_faults(connection)]
    finally:
        connection.execute("ROLLBACK")
    return Verified(length, before.hex(), faults[0] if faults else "")


def _records(connection: sqlite3.Connection) -> Iterator[str]:
    for number, table, row, fields, told in connection.execute(VOUCHED):
        query = f"SELECT {fields} FROM {table} WHERE {RECORDS[table]} = ?"  # noqa: S608 - both are under the chain
        record = connection.execute(query, (row,)).fetchone()
        if record is None:
            yield f"link {number} is about {table} {row}, which is gone"
        elif digest(record) != told:
            yield f"link {number} is about {table} {row}, which was changed"
    for table, row in RECORDS.items():
        untold = connection.execute(UNTOLD.format(table=table, row=row)).fetchone()
        if untold is not None:
            yield f"{table} {untold[0]} was put in by somebody else: no link is about it"


def _end(length: int, state_dir: Path | None, key: bytes) -> Iterator[str]:
    if state_dir is None:
        return
    reached = trail_length(state_dir, key)
    if reached is None:
        yield f"{TRAIL_MARK} was not written by this appliance: nobody knows if links are missing at the end"
    elif length < reached:
        yield f"the trail ends at link {length}, but it got to {reached}: cut off, or an older copy"
