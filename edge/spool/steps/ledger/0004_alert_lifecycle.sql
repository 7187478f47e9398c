-- An alert is of a study and a finding, and is followed until a human closes it.

-- Two series of a study may say the same of it.
CREATE TABLE alert_of_study (
    number              INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id            TEXT NOT NULL,
    status              TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,
    revision            INTEGER NOT NULL,
    outbox_key          TEXT NOT NULL,            -- empty when it was only written down
    finding             TEXT NOT NULL,            -- JSON object
    timings             TEXT NOT NULL,            -- JSON object
    model_name          TEXT NOT NULL,
    model_version       TEXT NOT NULL,
    model_digest        TEXT NOT NULL,
    degraded            INTEGER NOT NULL,
    finding_key         TEXT NOT NULL,
    urgency             TEXT NOT NULL,
    route               TEXT NOT NULL,            -- page, update, worklist or silent
    demoted             TEXT NOT NULL,            -- why it went to the worklist
    test                INTEGER NOT NULL,
    raised_at           TEXT NOT NULL,
    UNIQUE (alert_id, series_instance_uid, status, revision)
) STRICT;

-- Of an older ledger: what was said stands, and nobody is rung for it now.
INSERT INTO alert_of_study
SELECT number, alert_id, status, series_instance_uid, revision, outbox_key, finding, timings, model_name,
       model_version, model_digest, degraded, coalesce(json_extract(finding, '$.key'), ''),
       coalesce(json_extract(finding, '$.urgency'), 'routine'), 'silent', '', 0,
       coalesce(json_extract(timings, '$.detected_at'), '')
FROM alert;

DROP TABLE alert;
ALTER TABLE alert_of_study RENAME TO alert;

CREATE INDEX alert_of_series ON alert (series_instance_uid, revision);
CREATE INDEX alert_of_message ON alert (outbox_key);
CREATE INDEX alert_of_hour ON alert (finding_key, raised_at);

-- Where every alert stands; `rung_key` is the message that rings now, `said_key` its latest status.
CREATE TABLE alert_lifecycle (
    alert_id        TEXT PRIMARY KEY,
    stage           TEXT NOT NULL,
    stage_since     TEXT NOT NULL,
    opened_at       TEXT NOT NULL,
    pages           INTEGER NOT NULL,
    step            INTEGER NOT NULL,
    times           INTEGER NOT NULL,
    due_at          TEXT,
    exhausted       INTEGER NOT NULL,
    urgency         TEXT NOT NULL,
    finding_key     TEXT NOT NULL,
    test            INTEGER NOT NULL,
    said_number     INTEGER NOT NULL,
    said_key        TEXT NOT NULL,
    rung_key        TEXT NOT NULL,
    opened_sequence INTEGER NOT NULL,
    offered_at      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every change of the above, for whoever asks afterwards.
CREATE TABLE alert_step (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL,
    at       TEXT NOT NULL,
    event    TEXT NOT NULL,
    stage    TEXT NOT NULL,
    step     INTEGER NOT NULL,
    times    INTEGER NOT NULL
) STRICT;

-- Who answered which page; `role` and `name` are the site's words for who.
CREATE TABLE acknowledgement (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id    TEXT NOT NULL,
    message_key TEXT NOT NULL,
    answer      TEXT NOT NULL,
    role        TEXT NOT NULL,
    name        TEXT NOT NULL,
    at          TEXT NOT NULL,                    -- the pager's clock
    recorded_at TEXT NOT NULL,
    handled     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (alert_id, message_key, answer, role, name)
) STRICT;

CREATE INDEX acknowledgement_unhandled ON acknowledgement (number) WHERE handled = 0;

-- Published messages that the broker is given once more, because no pager answers.
CREATE TABLE offer_again (sequence INTEGER PRIMARY KEY) STRICT;

