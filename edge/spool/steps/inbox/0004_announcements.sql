-- What scanner and archive say they made. The table is made anew because SQLite cannot take
-- back the CHECK of its kinds; the reader names a kind that it does not know.
CREATE TABLE entry_with_announcements (
    sequence            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind                TEXT NOT NULL,
    association_id      TEXT NOT NULL,
    at                  REAL NOT NULL,
    calling_ae_title    TEXT,
    called_ae_title     TEXT,
    peer_address        TEXT,
    reason              TEXT,
    sop_instance_uid    TEXT,           -- of an announcement: its own, not an image's
    sop_class_uid       TEXT,
    transfer_syntax_uid TEXT,
    path                TEXT,
    sha256              TEXT,
    size_bytes          INTEGER,
    refused_sha256      TEXT,
    announcement        TEXT            -- JSON: its standing, and the instances of each series; no names
) STRICT;
INSERT INTO entry_with_announcements (
    sequence, kind, association_id, at, calling_ae_title, called_ae_title, peer_address, reason,
    sop_instance_uid, sop_class_uid, transfer_syntax_uid, path, sha256, size_bytes, refused_sha256)
SELECT
    sequence, kind, association_id, at, calling_ae_title, called_ae_title, peer_address, reason,
    sop_instance_uid, sop_class_uid, transfer_syntax_uid, path, sha256, size_bytes, refused_sha256
FROM entry;
DELETE FROM sqlite_sequence WHERE name = 'entry_with_announcements';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'entry_with_announcements', seq FROM sqlite_sequence WHERE name = 'entry';
DROP TABLE entry;
ALTER TABLE entry_with_announcements RENAME TO entry;

CREATE UNIQUE INDEX first_instance ON entry (sop_instance_uid) WHERE kind = 'instance_stored';
CREATE UNIQUE INDEX file_of_instance ON entry (path) WHERE kind = 'instance_stored';
CREATE UNIQUE INDEX start_of_association ON entry (association_id) WHERE kind = 'association_opened';
CREATE UNIQUE INDEX end_of_association ON entry (association_id)
    WHERE kind IN ('association_released', 'association_aborted');
CREATE INDEX words_of_announcement ON entry (sop_instance_uid, sequence) WHERE kind = 'announcement_received';
