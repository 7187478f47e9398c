"""What became of a series, for people: the receiver's journal and the agent's trail on one line of time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge.domain.canary import is_canary
from edge.domain.finding import Side
from edge.domain.identity import SeriesInstanceUID, token

TOLD = """
SELECT number, at, series_token, what, subject, detail, link FROM trail
WHERE at >= ? AND (?2 IS NULL OR series_token = ?2) ORDER BY number"""

# What the record found that a line of the trail vouches for: an outcome any number of findings, an alert one.
FOUND = """
SELECT coalesce(
    (SELECT findings FROM outcome WHERE record_table = 'outcome' AND outcome_id = record_row),
    (SELECT json_array(json(finding)) FROM alert
     WHERE record_table = 'alert' AND alert.number = CAST(record_row AS INTEGER)),
    '[]')
FROM trail WHERE trail.number = ?"""

NAMED = """
SELECT series_token FROM outcome WHERE ? IN (series_token, study_token, accession_token)
UNION SELECT series_token FROM trail WHERE series_token = ?1"""

KNOWN_SERIES = "SELECT DISTINCT series_instance_uid FROM instance_series"

REFERENCE = """
SELECT study_token, scanner, test FROM outcome WHERE series_token = ? ORDER BY revision DESC LIMIT 1"""

SEQUENCES = "SELECT sequence FROM instance_series WHERE series_instance_uid = ?"

# Per association: who called, what it brought of this series, how it ended.
CARRIED = """
WITH kept AS (
    SELECT sop_instance_uid FROM entry
    WHERE kind = 'instance_stored' AND sequence IN (SELECT value FROM json_each(?)))
SELECT coalesce(opened.calling_ae_title, ''), brought.kind, count(*), min(brought.at) AS first,
       max(brought.at), sum(coalesce(brought.size_bytes, 0)), ended.kind, ended.at, coalesce(ended.reason, '')
FROM entry AS brought
LEFT JOIN entry AS opened
  ON opened.association_id = brought.association_id AND opened.kind = 'association_opened'
LEFT JOIN entry AS ended
  ON ended.association_id = brought.association_id
  AND ended.kind IN ('association_released', 'association_aborted')
WHERE brought.sop_instance_uid IN kept GROUP BY brought.association_id, brought.kind ORDER BY first"""

_BROUGHT = {
    "instance_stored": "stored",
    "duplicate_received": "came again",
    "conflict_received": "came again with other bytes, refused",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline; `text` holds tokens, titles and numbers, never identifiers."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class SeriesTimeline:
    """A series by its token; `series_instance_uid` is for whoever asked for identifiers."""

    series_token: str
    study_token: str
    scanner: str
    series_instance_uid: str
    events: tuple[Event, ...]
    test: bool = False


def timelines(
    ledger: sqlite3.Connection, journal: sqlite3.Connection | None, key: bytes, name: str
) -> list[SeriesTimeline]:
    """Of every series that `name` means: a token, or the UID or accession number behind one."""
    uids = {token(key, "series", row[0]): str(row[0]) for row in ledger.execute(KNOWN_SERIES)}
    meant = {name, *(token(key, kind, name) for kind in ("series", "study", "accession"))}
    found = {str(row[0]) for one in meant for row in ledger.execute(NAMED, (one,))} | (meant & uids.keys())
    told = [_timeline(ledger, journal, key, series, uids.get(series, "")) for series in found - {""}]
    return sorted(told, key=lambda one: one.events[0].at if one.events else datetime.max.replace(tzinfo=UTC))


def trail_lines(ledger: sqlite3.Connection, since: str) -> Iterator[dict[str, Any]]:
    """Every row of the trail from `since` (UTC, ISO 8601) on, ready for JSON."""
    for number, at, series, what, subject, detail, link in ledger.execute(TOLD, (since, None)):
        yield {
            "number": number,
            "at": at,
            "series": series,
            "what": what,
            "subject": subject,
            "detail": json.loads(detail),
            "link": link.hex(),
        }


def _timeline(
    ledger: sqlite3.Connection, journal: sqlite3.Connection | None, key: bytes, series: str, uid: str
) -> SeriesTimeline:
    study, scanner, test = ledger.execute(REFERENCE, (series,)).fetchone() or ("", "", 0)
    sequences = [row[0] for row in ledger.execute(SEQUENCES, (uid,))]
    events = [*_arrivals(journal, sequences), *_told(ledger, series)]
    ordered = tuple(sorted(events, key=lambda event: event.at))
    return SeriesTimeline(
        series, study, scanner, uid, ordered, bool(test) or is_canary(key, SeriesInstanceUID(uid))
    )


def _told(ledger: sqlite3.Connection, series: str) -> Iterator[Event]:
    for number, at, _, what, subject, detail, _ in ledger.execute(TOLD, ("", series)):
        facts = ", ".join(f"{k} {v}" for k, v in json.loads(detail).items() if v is not None)
        when = datetime.fromisoformat(at)
        yield Event(when, f"{what.replace('_', ' ')} {subject}: {facts}")
        for found in json.loads(ledger.execute(FOUND, (number,)).fetchone()[0]):
            yield Event(when, f"  {_measured(found)}")


def _measured(found: dict[str, Any]) -> str:
    """A finding of a row; those of older versions have neither side nor run."""
    side = "" if found.get("side", Side.UNKNOWN) == Side.UNKNOWN else f" {found['side']}"
    if not found["slices"]:
        return f"{found['key']}: nothing passed, highest p {found['probability']:.2f}"
    size = f"{found['volume_ml']:.1f} mL on {found['slices']} slices"
    text = f"{found['key']}{side}: {found['level']} point, p {found['probability']:.2f}, {size}"
    run = found.get("run")
    if run is None:
        return text
    where = f"{run['slices'][0]} to {run['slices'][-1]} of {run['total']} from the feet"
    return f"{text} ({where}), largest {run['largest']} with {run['largest_area_mm2']:.0f} mm2"


def _arrivals(journal: sqlite3.Connection | None, sequences: Sequence[int]) -> Iterator[Event]:
    if journal is None:
        return
    carried = journal.execute(CARRIED, (json.dumps(list(sequences)),))
    for title, kind, count, first, last, size_bytes, end, ended_at, reason in carried:
        word = _BROUGHT[kind]
        yield Event(_utc(first), f"first instance {word}, from {title}")
        yield Event(_utc(last), f"last of {count} instances {word}, {size_bytes / 2**20:.1f} MiB")
        if end is not None:
            how = f" ({reason})" if reason else ""
            yield Event(_utc(ended_at), f"{end.replace('_', ' ')}{how}")


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
