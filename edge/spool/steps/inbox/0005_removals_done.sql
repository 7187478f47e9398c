-- One row: the last request for removal in ledger.db that was done.
CREATE TABLE removals_done (through_number INTEGER NOT NULL) STRICT;
INSERT INTO removals_done (through_number) VALUES (0);
