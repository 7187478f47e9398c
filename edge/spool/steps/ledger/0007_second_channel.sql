-- Pages that no pager answered, told by a hook command or by e-mail: each status of each page once on each channel.
CREATE TABLE notice (
    alert_id        TEXT NOT NULL,
    opened_sequence INTEGER NOT NULL,     -- as in alert_lifecycle: which page of that alert
    status          TEXT NOT NULL,
    channel         TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    next_at         TEXT,                 -- when it is tried again; null once it was told
    PRIMARY KEY (alert_id, opened_sequence, status, channel)
) STRICT, WITHOUT ROWID;

-- Every attempt, for whoever asks afterwards.
CREATE TABLE notice_attempt (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id    TEXT NOT NULL,
    status      TEXT NOT NULL,
    channel     TEXT NOT NULL,
    message_key TEXT NOT NULL,
    at          TEXT NOT NULL,
    result      TEXT NOT NULL,            -- exit_0, accepted, exit_1, smtp_535, timed_out, ...
    told        INTEGER NOT NULL
) STRICT;
