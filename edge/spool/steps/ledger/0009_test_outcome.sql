-- A canary or a drill: its outcome is flagged, counted nowhere, and its images go soon.
ALTER TABLE outcome ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
