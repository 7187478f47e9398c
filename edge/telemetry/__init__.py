"""Sole importer of prometheus_client and structlog: happenings, metrics, logs."""
