"""The DICOM upper layer (PS3.8 section 9) without I/O: bytes go in, events and bytes come out.

`table.py` is the state machine as the standard prints it, `layer.py` what turns it; `pdu.py` and
`associate.py` are the wire formats. Nothing here knows a socket, a thread or a clock.
"""
