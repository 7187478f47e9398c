-- The digest of a data set is XXH3-128 from here on; SHA-256, which rows from before have, is twice as long.
ALTER TABLE entry RENAME COLUMN sha256 TO digest;
ALTER TABLE entry RENAME COLUMN refused_sha256 TO refused_digest;
