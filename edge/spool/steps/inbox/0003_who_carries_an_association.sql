-- Which process of the receiver carries an association, for as long as it is open.
CREATE TABLE carrying (
    association_id TEXT NOT NULL PRIMARY KEY,
    process        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
