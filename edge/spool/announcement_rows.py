"""Announcements in the receiver's journal: UIDs and a standing in JSON, one row for each word."""

from __future__ import annotations

import json
import sqlite3

from edge.domain.announcement import Announcement, Standing
from edge.domain.identity import AssociationId, SeriesInstanceUID, SopInstanceUID

APPEND = """
INSERT INTO entry (kind, association_id, at, sop_instance_uid, announcement)
VALUES ('announcement_received', ?, ?, ?, ?)"""

LATEST = """
SELECT announcement FROM entry WHERE kind = 'announcement_received' AND sop_instance_uid = ?
ORDER BY sequence DESC LIMIT 1"""

WORDS = "SELECT count(*) FROM entry WHERE kind = 'announcement_received' AND sop_instance_uid = ?"


def append(
    connection: sqlite3.Connection, association_id: AssociationId, at: float, announcement: Announcement
) -> None:
    series = {uid: sorted(instances) for uid, instances in announcement.series.items()}
    text = json.dumps({"standing": announcement.standing, "series": series}, sort_keys=True)
    connection.execute(APPEND, (association_id, at, announcement.uid, text))


def latest(connection: sqlite3.Connection, uid: str) -> Announcement | None:
    """What `uid` says by now; None when it is not known."""
    row = connection.execute(LATEST, (uid,)).fetchone()
    return None if row is None else announcement_of(uid, row[0])


def words(connection: sqlite3.Connection, uid: str) -> int:
    """How often `uid` has said something new."""
    (count,) = connection.execute(WORDS, (uid,)).fetchone()
    return int(count)


def announcement_of(uid: str, text: str) -> Announcement:
    said = json.loads(text)
    series = {
        SeriesInstanceUID(name): frozenset(SopInstanceUID(one) for one in instances)
        for name, instances in said["series"].items()
    }
    return Announcement(uid, Standing(said["standing"]), series)
