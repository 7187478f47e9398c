-- What the agent knows for ever: one terminal outcome per series revision, every step of every alert,
-- and the outbox, whose sequence is the appliance's message number. Times are UTC, ISO 8601.
-- Run again on an older file it adds what is missing.
CREATE TABLE IF NOT EXISTS instance_series (
    sequence            INTEGER PRIMARY KEY,  -- of the receiver's journal
    series_instance_uid TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS instances_of_series ON instance_series (series_instance_uid);

-- One row: the generation of the journal whose sequences these are; none before a receiver ever ran.
CREATE TABLE IF NOT EXISTS journal (generation TEXT NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS outcome (
    series_instance_uid     TEXT NOT NULL,
    revision                INTEGER NOT NULL,
    outcome_id              TEXT NOT NULL,
    through_sequence        INTEGER NOT NULL,
    kind                    TEXT NOT NULL,
    reason                  TEXT NOT NULL,
    detail                  TEXT NOT NULL,
    series_token            TEXT NOT NULL,
    study_token             TEXT NOT NULL,
    accession_token         TEXT NOT NULL,
    scanner                 TEXT NOT NULL,
    predecessor             TEXT,
    model_name              TEXT NOT NULL,
    model_version           TEXT NOT NULL,
    model_digest            TEXT NOT NULL,
    instances               INTEGER NOT NULL,
    degraded                INTEGER NOT NULL,
    findings                TEXT NOT NULL,        -- JSON array, strongest words first as the core gave them
    first_slice_received_at TEXT NOT NULL,
    last_slice_received_at  TEXT NOT NULL,
    settled_at              TEXT NOT NULL,
    PRIMARY KEY (series_instance_uid, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS alert (
    number              INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id            TEXT NOT NULL,
    status              TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,
    revision            INTEGER NOT NULL,
    outbox_key          TEXT NOT NULL,
    finding             TEXT NOT NULL,            -- JSON object
    timings             TEXT NOT NULL,            -- JSON object
    model_name          TEXT NOT NULL,
    model_version       TEXT NOT NULL,
    model_digest        TEXT NOT NULL,
    degraded            INTEGER NOT NULL,
    UNIQUE (alert_id, status, revision)
) STRICT;

CREATE INDEX IF NOT EXISTS alert_of_series ON alert (series_instance_uid, revision);

CREATE TABLE IF NOT EXISTS outbox (
    sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
    key            TEXT NOT NULL UNIQUE,
    topic          TEXT NOT NULL,
    payload        BLOB NOT NULL,
    content_type   TEXT NOT NULL,
    expiry_s       INTEGER NOT NULL,
    response_topic TEXT,
    retain         INTEGER NOT NULL,
    enqueued_at    TEXT NOT NULL,
    published_at   TEXT,                          -- when PUBACK came; for an alert: from a broker with a subscriber
    reason_code    INTEGER,                       -- of the last PUBACK (MQTT 5, 3.4.2.1)
    subscribers    INTEGER                        -- 0: the broker said that nobody listens
) STRICT;

CREATE INDEX IF NOT EXISTS outbox_pending ON outbox (sequence) WHERE published_at IS NULL;
