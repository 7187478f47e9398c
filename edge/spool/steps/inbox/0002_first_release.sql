-- The receiver's journal: append-only, one row per arrival, read by the agent in sequence order.
-- Run again on an older file it adds what is missing.
-- A repeat holds the SOP Instance UID alone; what was kept is the row whose kind is instance_stored.
CREATE TABLE IF NOT EXISTS entry (
    sequence            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind                TEXT NOT NULL CHECK (kind IN (
        'association_opened', 'instance_stored', 'duplicate_received', 'conflict_received',
        'association_released', 'association_aborted')),
    association_id      TEXT NOT NULL,
    at                  REAL NOT NULL,  -- UTC seconds since the epoch
    calling_ae_title    TEXT,
    called_ae_title     TEXT,
    peer_address        TEXT,
    reason              TEXT,
    sop_instance_uid    TEXT,
    sop_class_uid       TEXT,
    transfer_syntax_uid TEXT,
    path                TEXT,           -- relative to the state folder
    sha256              TEXT,           -- of the data set without the file meta information
    size_bytes          INTEGER,        -- of the file
    refused_sha256      TEXT
) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS first_instance ON entry (sop_instance_uid) WHERE kind = 'instance_stored';
CREATE UNIQUE INDEX IF NOT EXISTS file_of_instance ON entry (path) WHERE kind = 'instance_stored';
CREATE UNIQUE INDEX IF NOT EXISTS start_of_association ON entry (association_id) WHERE kind = 'association_opened';
CREATE UNIQUE INDEX IF NOT EXISTS end_of_association ON entry (association_id)
    WHERE kind IN ('association_released', 'association_aborted');

-- One row: which journal this is, so that a ledger notices that it is about another one.
CREATE TABLE IF NOT EXISTS identity (generation TEXT NOT NULL) STRICT;
INSERT INTO identity (generation) SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM identity);
