"""What the ledger is asked of series: which instances they have, and how they ended."""

from __future__ import annotations

REMEMBER_INSTANCE = """
INSERT INTO instance_series (sequence, series_instance_uid) VALUES (?, ?)
ON CONFLICT (sequence) DO UPDATE SET series_instance_uid = excluded.series_instance_uid"""

SERIES_OF_INSTANCES = """
SELECT sequence, series_instance_uid FROM instance_series WHERE sequence >= ? ORDER BY sequence"""

SERIES_OF = "SELECT series_instance_uid FROM instance_series WHERE sequence = ?"

SEQUENCES_OF = "SELECT sequence FROM instance_series WHERE series_instance_uid = ? ORDER BY sequence"

FIRST_UNCONCLUDED = """
SELECT coalesce(
    (SELECT min(sequence) FROM instance_series LEFT JOIN (
        SELECT series_instance_uid, max(revision), through_sequence FROM outcome GROUP BY series_instance_uid
     ) USING (series_instance_uid)
     WHERE through_sequence IS NULL OR sequence > through_sequence),
    (SELECT max(sequence) + 1 FROM instance_series),
    1)"""

CONCLUSION_OF = """
SELECT outcome_id, revision, through_sequence, kind, reason FROM outcome
WHERE series_instance_uid = ? ORDER BY revision DESC LIMIT 1"""

SERIES_AMONG = """
SELECT sequence, series_instance_uid FROM instance_series
WHERE sequence IN (SELECT value FROM json_each(?))"""

LOST_ALONE = """
SELECT sequence FROM outcome JOIN instance_series USING (series_instance_uid)
WHERE kind = 'failed' AND reason = 'unreadable_instance' AND instances = 1 ORDER BY sequence DESC LIMIT ?"""

READ_ON_FROM = "SELECT sequence FROM read_on"

# It may only grow: two journeys that end at once may note it in either order.
NOTE_READ_ON = "UPDATE read_on SET sequence = max(sequence, ?)"

# With max() SQLite takes the other columns from the row that holds the maximum.
CONCLUSIONS = """
SELECT series_instance_uid, outcome_id, max(revision), through_sequence, kind, reason
FROM outcome GROUP BY series_instance_uid"""
