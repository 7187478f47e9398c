"""TLS of every connection, one profile for all: BCP 195 (RFC 8996, RFC 9325) as in PS3.15 B.12.

The sole importer of cryptography; ssl contexts are made here and nowhere else.
"""
