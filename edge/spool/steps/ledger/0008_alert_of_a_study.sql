-- What several series of a study say of one finding, and times in which nobody is rung.

-- A finding that was held back and rings later, or is said again for another series, has several rows of one
-- series, status and revision. `payload` is what was not sent because another series had said as much.
CREATE TABLE word (
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
    demoted             TEXT NOT NULL,            -- why it went to the worklist, or was there before it rang
    test                INTEGER NOT NULL,
    raised_at           TEXT NOT NULL,
    ae_title            TEXT NOT NULL,            -- who sent it, for whoever is muted
    acquired_at         TEXT,                     -- the scanner's clock, without a zone
    payload             BLOB
) STRICT;

INSERT INTO word
SELECT number, alert_id, status, series_instance_uid, revision, outbox_key, finding, timings, model_name,
       model_version, model_digest, degraded, finding_key, urgency, route, demoted, test, raised_at, '', NULL, NULL
FROM alert;

DROP TABLE alert;
ALTER TABLE word RENAME TO alert;

CREATE INDEX alert_of_series ON alert (series_instance_uid, revision);
CREATE INDEX alert_of_message ON alert (outbox_key);
CREATE INDEX alert_of_hour ON alert (finding_key, raised_at);
CREATE INDEX alert_words ON alert (alert_id, number);
CREATE INDEX alert_rang ON alert (raised_at) WHERE route = 'page';
CREATE INDEX lifecycle_quiet ON alert_lifecycle (said_number) WHERE pages = 0;

-- Ids that older versions gave by series: whoever speaks of such a study goes on under them.
CREATE TABLE alert_before_studies (
    study_token TEXT NOT NULL,
    model_name  TEXT NOT NULL,
    finding_key TEXT NOT NULL,
    alert_id    TEXT NOT NULL,
    PRIMARY KEY (study_token, model_name, finding_key)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO alert_before_studies
SELECT outcome.study_token, alert.model_name, alert.finding_key, alert.alert_id
FROM alert JOIN outcome USING (series_instance_uid, revision) ORDER BY alert.number;

-- Maintenance, test and mute: the latest word of each kind and scanner counts. `reason` and `asked_by` are the
-- site's own words.
CREATE TABLE quiet (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL,
    event    TEXT NOT NULL,                       -- began, ended or expired
    kind     TEXT NOT NULL,                       -- maintenance, test or mute
    scanner  TEXT NOT NULL,                       -- calling AE title of a mute, else empty
    at       TEXT NOT NULL,
    until    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    UNIQUE (order_id, event)
) STRICT;

CREATE INDEX quiet_of ON quiet (kind, scanner, number);
