"""Audit messages of DICOM PS3.15 A.5 as XML, and their way to a repository: syslog over TLS."""
