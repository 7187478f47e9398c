"""The two databases of a state folder as a stranger reads them, with nothing of edge.spool."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ENDS = "('association_released', 'association_aborted')"


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the journal that says: this instance is kept."""

    sequence: int
    uid: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Ended:
    """One revision of an outcome."""

    series: str
    revision: int
    outcome_id: str
    predecessor: str | None
    through: int
    kind: str
    instances: int
    reason: str


@dataclass(frozen=True, slots=True)
class Raised:
    """One word of an alert."""

    alert_id: str
    series: str
    finding: str
    status: str
    route: str
    urgency: str
    outbox_key: str
    test: int


@dataclass(frozen=True, slots=True)
class Books:
    """All that both databases say at one moment."""

    stored: dict[str, Stored]
    series_of: dict[int, str]
    ended: dict[str, list[Ended]]
    raised: list[Raised]
    outbox: dict[str, bool]  # key: whether it was published
    open_associations: int
    carrying: int

    @classmethod
    def read(cls, state_dir: Path) -> Books:
        inbox, ledger = state_dir / "inbox.db", state_dir / "ledger.db"
        ended: dict[str, list[Ended]] = defaultdict(list)
        for row in _rows(
            ledger,
            "SELECT series_instance_uid, revision, outcome_id, predecessor, through_sequence, kind,"
            " instances, reason FROM outcome ORDER BY series_instance_uid, revision",
        ):
            ended[row[0]].append(Ended(*row))
        return cls(
            stored={
                row[1]: Stored(*row)
                for row in _rows(
                    inbox,
                    "SELECT sequence, sop_instance_uid, path, digest FROM entry"
                    " WHERE kind = 'instance_stored'",
                )
            },
            series_of=dict(_rows(ledger, "SELECT sequence, series_instance_uid FROM instance_series")),
            ended=ended,
            raised=[
                Raised(*row)
                for row in _rows(
                    ledger,
                    "SELECT alert_id, series_instance_uid, finding_key, status, route, urgency, outbox_key,"
                    " test FROM alert ORDER BY number",
                )
            ],
            outbox={key: at is not None for key, at in _rows(ledger, "SELECT key, published_at FROM outbox")},
            open_associations=_rows(
                inbox,
                "SELECT count(*) FROM entry WHERE kind = 'association_opened' AND association_id NOT IN"
                f" (SELECT association_id FROM entry WHERE kind IN {_ENDS})",
            )[0][0],
            carrying=_rows(inbox, "SELECT count(*) FROM carrying")[0][0],
        )


def arrived(state_dir: Path) -> int:
    """The number of the journal's last entry."""
    return _rows(state_dir / "inbox.db", "SELECT coalesce(max(sequence), 0) FROM entry")[0][0]


def _rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query).fetchall()


@dataclass
class Waiting:
    """Whether everything that was acknowledged has its outcome by now; keeps no state of its own."""

    state_dir: Path
    missing: list[str] = field(default_factory=list)

    def settled(self, uids: dict[str, int]) -> bool:
        """`uids` names series and how many instances each has."""
        books = Books.read(self.state_dir)
        last = defaultdict(int)
        for stored in books.stored.values():
            series = books.series_of.get(stored.sequence)
            if series is not None:
                last[series] = max(last[series], stored.sequence)
        self.missing = [
            f"{uid}: {books.ended[uid][-1] if uid in books.ended else 'no outcome'}"
            for uid, count in uids.items()
            if uid not in books.ended
            or books.ended[uid][-1].through < last[uid]
            or books.ended[uid][-1].instances < count
        ]
        return not self.missing
