"""DIMSE (PS3.7) without I/O: command sets, messages from P-DATA, and the services that answer them."""
