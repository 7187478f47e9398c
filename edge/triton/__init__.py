"""Sole importer of tritonclient: client, embedded server, canary."""
