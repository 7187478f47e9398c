-- Several reconstructions of one acquisition: what each was made from, and which of them speaks for it.

-- `acquisition` is a JSON object, `rank` a JSON array, lower suits the model better.
CREATE TABLE reconstruction (
    series_instance_uid TEXT PRIMARY KEY,
    study_token         TEXT NOT NULL,
    series_token        TEXT NOT NULL,
    acquisition         TEXT NOT NULL,
    rank                TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX reconstruction_of_study ON reconstruction (study_token);

-- The token of the series that was chosen, why, and a JSON array of the others; empty without others.
ALTER TABLE outcome ADD COLUMN chosen_series TEXT NOT NULL DEFAULT '';
ALTER TABLE outcome ADD COLUMN chosen_because TEXT NOT NULL DEFAULT '';
ALTER TABLE outcome ADD COLUMN not_chosen TEXT NOT NULL DEFAULT '';

CREATE INDEX outcome_of_choice ON outcome (chosen_series) WHERE reason = 'other_reconstruction';
CREATE INDEX outcome_of_token ON outcome (series_token, revision);

-- One row: every entry of the journal below this number has had its effect, or never will. Read on from there.
CREATE TABLE read_on (sequence INTEGER NOT NULL) STRICT;
INSERT INTO read_on (sequence) VALUES (0);
