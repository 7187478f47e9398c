"""The preamble and File Meta Information that go before a data set on disk (PS3.10 section 7.1).

Written here and not by pydicom: it is made for every instance, and pydicom takes longer for it than the
disk for the instance.
"""

from __future__ import annotations

from functools import lru_cache

from edge.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_PREAMBLE = b"\0" * 128 + b"DICM"


def preamble_and_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    calling_ae_title: str,
    called_ae_title: str,
) -> bytes:
    """What turns the bytes of a C-STORE data set into a Part 10 file.

    Source and Sending AE Title are the calling one, Receiving AE Title the called one.
    """
    meta = b"".join(
        [
            _VERSION,
            _element(0x02, b"UI", _uid(sop_class_uid)),
            _element(0x03, b"UI", _uid(sop_instance_uid)),
            _of_association(transfer_syntax_uid, calling_ae_title, called_ae_title),
        ]
    )
    return _PREAMBLE + _element(0x00, b"UL", len(meta).to_bytes(4, "little")) + meta


@lru_cache(64)
def _of_association(transfer_syntax_uid: str, calling_ae_title: str, called_ae_title: str) -> bytes:
    calling = _text(calling_ae_title)
    return b"".join(
        [
            _element(0x10, b"UI", _uid(transfer_syntax_uid)),
            _IMPLEMENTATION,
            _element(0x16, b"AE", calling),
            _element(0x17, b"AE", calling),
            _element(0x18, b"AE", _text(called_ae_title)),
        ]
    )


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    """Explicit VR Little Endian, group 0002, a VR with a length of two bytes (PS3.5 7.1.2)."""
    return b"\x02\x00" + number.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value


def _uid(uid: str) -> bytes:
    value = uid.encode("ascii")
    return value + b"\0" * (len(value) % 2)


def _text(text: str) -> bytes:
    value = text.encode("ascii")
    return value + b" " * (len(value) % 2)


# OB has a length of four bytes after two reserved ones.
_VERSION = b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\x00\x01"
_IMPLEMENTATION = _element(0x12, b"UI", _uid(IMPLEMENTATION_CLASS_UID)) + _element(
    0x13, b"SH", _text(IMPLEMENTATION_VERSION_NAME)
)
