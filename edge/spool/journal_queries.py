"""What the journal is asked: forward from a number, and back for all that concerns one series."""

from __future__ import annotations

_COLUMNS = """
SELECT entry.sequence, entry.association_id, entry.at, entry.kind,
       entry.calling_ae_title, entry.called_ae_title, entry.peer_address, entry.reason, entry.refused_digest,
       entry.sop_instance_uid, entry.announcement,
       kept.sop_instance_uid, kept.sop_class_uid, kept.transfer_syntax_uid, kept.path, kept.digest,
       kept.size_bytes
FROM entry LEFT JOIN entry AS kept
  ON kept.kind = 'instance_stored' AND kept.sop_instance_uid = entry.sop_instance_uid
WHERE {} ORDER BY entry.sequence LIMIT ?"""

AFTER = _COLUMNS.format("entry.sequence > ?")
STORED = _COLUMNS.format(
    "entry.kind = 'instance_stored' AND entry.sequence IN (SELECT value FROM json_each(?))"
)

# Of the instances kept with the numbers ?1, below ?2: each, its repeats, and the associations that had them.
_TOLD = """
WITH named AS (
    SELECT sop_instance_uid FROM entry
    WHERE kind = 'instance_stored' AND sequence IN (SELECT value FROM json_each(?1))),
brought AS (
    SELECT sequence, association_id FROM entry
    WHERE kind = 'instance_stored' AND sequence IN (SELECT value FROM json_each(?1))
    UNION
    SELECT sequence, association_id FROM entry
    WHERE kind IN ('duplicate_received', 'conflict_received') AND sop_instance_uid IN named),
carrying AS (SELECT DISTINCT association_id FROM brought WHERE sequence < ?2),
told AS (
    SELECT sequence FROM brought
    UNION
    SELECT sequence FROM entry WHERE kind = 'association_opened' AND association_id IN carrying
    UNION
    SELECT sequence FROM entry
    WHERE kind IN ('association_released', 'association_aborted') AND association_id IN carrying)"""
_OF_THEM = _COLUMNS.format("entry.sequence IN told AND entry.sequence < ?2").replace("LIMIT ?", "LIMIT ?3")
STORY = "".join((_TOLD, _OF_THEM))

# An association's entries lie between its opening and its end.
BROUGHT_BY = _COLUMNS.format("""entry.kind = 'instance_stored' AND entry.association_id = ?1
    AND entry.sequence BETWEEN
        coalesce((SELECT sequence FROM entry WHERE kind = 'association_opened' AND association_id = ?1), 1)
    AND coalesce((SELECT sequence FROM entry WHERE kind IN ('association_released', 'association_aborted')
                  AND association_id = ?1), ?2)
    AND entry.sequence < ?2""").replace("LIMIT ?", "LIMIT ?3")

SIZE_OF = "SELECT size_bytes FROM entry WHERE kind = 'instance_stored' AND path = ?"
SEQUENCE_OF = "SELECT sequence FROM entry WHERE kind = 'instance_stored' AND sop_instance_uid = ?"

# An association without an end may still carry on, and one with an entry from ? on has carried on.
REPLAY_FROM = """
SELECT min(opened.sequence) FROM entry AS opened
WHERE opened.kind = 'association_opened' AND (
    opened.association_id IN (SELECT association_id FROM entry WHERE sequence >= ?)
    OR NOT EXISTS (
        SELECT 1 FROM entry AS ended
        WHERE ended.association_id = opened.association_id
          AND ended.kind IN ('association_released', 'association_aborted')))"""

# The words below ?2 of every step and notification that named the series ?1 by then.
ANNOUNCERS = """
SELECT DISTINCT entry.sop_instance_uid FROM announced JOIN entry USING (sequence)
WHERE announced.series_instance_uid = ? AND announced.sequence < ? ORDER BY 1"""
WORD = """
SELECT announcement FROM entry WHERE kind = 'announcement_received' AND sop_instance_uid = ? AND sequence < ?
ORDER BY sequence DESC LIMIT 1"""
