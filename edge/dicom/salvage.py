"""Whose instance it was, from what is left of a damaged header."""

from __future__ import annotations

import struct

from edge.dicom.status import usable_uid

_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x000D, 0x000E
_LONGEST_UID = 64
# The longest Study Instance UID element there can be, header included.
_REACH = 8 + _LONGEST_UID


def salvaged_uids(encoded: bytes) -> tuple[str, str]:
    """Study and Series Instance UID found in the bytes of a Part 10 file; empty where there is none.

    A Series Instance UID counts when it stands where a data set has it: right behind the study's, or
    right before another attribute of group 0020. Those within sequences name other series.
    """
    for order in ("<", ">"):
        tag = struct.pack(f"{order}HH", 0x0020, _SERIES_INSTANCE_UID)
        at = encoded.find(tag)
        while at >= 0:
            if (series := _uid(encoded, at, order)) is not None:
                study = _study_before(encoded, at, order)
                if study or _in_group(encoded, at + 8 + series[1], order):
                    return study, series[0]
            at = encoded.find(tag, at + 1)
    return "", ""


def _study_before(encoded: bytes, end: int, order: str) -> str:
    tag = struct.pack(f"{order}HH", 0x0020, _STUDY_INSTANCE_UID)
    at = encoded.rfind(tag, max(0, end - _REACH), end)
    found = _uid(encoded, at, order) if at >= 0 else None
    return found[0] if found is not None and at + 8 + found[1] == end else ""


def _in_group(encoded: bytes, at: int, order: str) -> bool:
    if len(encoded) < at + 4:
        return False
    group, element = struct.unpack_from(f"{order}HH", encoded, at)
    return group == 0x0020 and element > _SERIES_INSTANCE_UID


def _uid(encoded: bytes, at: int, order: str) -> tuple[str, int] | None:
    """Value and length of the element at `at`, of explicit or implicit VR; None when it is no UID."""
    head = encoded[at + 4 : at + 8]
    if len(head) < 4:
        return None
    length: int
    if head[:2] == b"UI":
        (length,) = struct.unpack(f"{order}H", head[2:])
    else:
        (length,) = struct.unpack(f"{order}L", head)
    value = encoded[at + 8 : at + 8 + length] if length <= _LONGEST_UID else b""
    text = value.rstrip(b"\0 ").decode("latin-1")
    return (text, length) if len(value) == length and usable_uid(text) else None
