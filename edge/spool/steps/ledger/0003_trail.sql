-- What happened to each series, one row per step, for good. `link` chains every row to the one before under
-- a key that is not in this file, so a row that was changed, taken out or put in shows (edge ledger verify).
-- No identifiers: tokens stand for series and study. The rows are written by trail_triggers.sql.
CREATE TABLE trail (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    at           TEXT NOT NULL,     -- UTC, ISO 8601
    series_token TEXT NOT NULL,     -- '' when it is about no one series
    what         TEXT NOT NULL,
    subject      TEXT NOT NULL,     -- the alert, outcome or message it is about
    detail       TEXT NOT NULL,     -- JSON object
    record_table TEXT,              -- the row that was written with it, ...
    record_row   TEXT,              -- its key there, ...
    record_fields TEXT,             -- the columns it vouches for, ...
    record_digest TEXT,             -- and the SHA-256 of what they hold
    link         BLOB
) STRICT;

CREATE INDEX trail_of_series ON trail (series_token, number);
CREATE INDEX trail_of_record ON trail (record_table, record_row) WHERE record_table IS NOT NULL;
CREATE INDEX alert_of_message ON alert (outbox_key);
CREATE INDEX outcome_of_id ON outcome (outcome_id);

-- Not even by mistake; against intent there is the chain.
CREATE TRIGGER trail_is_not_changed BEFORE UPDATE ON trail WHEN old.link IS NOT NULL
BEGIN SELECT raise(ABORT, 'the trail is append-only'); END;
CREATE TRIGGER trail_is_not_shortened BEFORE DELETE ON trail
BEGIN SELECT raise(ABORT, 'the trail is append-only'); END;
