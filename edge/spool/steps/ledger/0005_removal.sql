-- Which series the receiver shall remove the files of. It does so in order and writes into inbox.db how far it
-- got; an instance that came again after entry `through_entry` of its journal stays.
CREATE TABLE removal (
    number              INTEGER PRIMARY KEY AUTOINCREMENT,
    series_instance_uid TEXT NOT NULL,
    through_entry       INTEGER NOT NULL,
    reason              TEXT NOT NULL,     -- age or space
    requested_at        TEXT NOT NULL
) STRICT;

CREATE INDEX removal_of_series ON removal (series_instance_uid, through_entry);
