"""Sole owner of the disk and sole importer of sqlite3: the inbox, the ledger and the doorbell."""
