-- What the agent looks up of a series that it does not remember: repeats by instance, words by series.
CREATE INDEX repeats_of_instance ON entry (sop_instance_uid, sequence)
    WHERE kind IN ('duplicate_received', 'conflict_received');

CREATE TABLE announced (
    series_instance_uid TEXT NOT NULL,
    sequence            INTEGER NOT NULL,   -- of the entry that names the series
    PRIMARY KEY (series_instance_uid, sequence)
) STRICT, WITHOUT ROWID;

INSERT INTO announced (series_instance_uid, sequence)
SELECT named.key, entry.sequence FROM entry, json_each(entry.announcement, '$.series') AS named
WHERE entry.kind = 'announcement_received';

CREATE TRIGGER series_was_announced AFTER INSERT ON entry WHEN new.kind = 'announcement_received' BEGIN
    INSERT OR IGNORE INTO announced (series_instance_uid, sequence)
    SELECT named.key, new.sequence FROM json_each(new.announcement, '$.series') AS named;
END;
