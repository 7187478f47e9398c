"""Sole owner of disk: inbox, journal, ledger, outbox, doorbell."""
