"""The one frame of encapsulated pixel data (PS3.5 A.4), with every length and offset checked before use."""

from __future__ import annotations

import struct

from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_ITEM = 0xE000FFFE
_DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
_HEAD = struct.Struct("<LL")
# One frame is in one fragment, or in a few dozen; thousands of empty ones are there to keep us busy.
MAX_FRAGMENTS = 4096


def first_frame(encapsulated: bytes) -> bytes:
    """The fragments of the first frame, joined.

    pydicom takes a fragment that claims more than there is for one that ends where the file does, and
    decoders make an image of the stump: here the items must fill the pixel data exactly, and a Basic
    Offset Table must point at items. Raises RejectInput.
    """
    places = _items(encapsulated)
    if not places:
        raise RejectInput(UnusableReason.BAD_FRAGMENTS)
    (at, length), fragments = places[0], places[1:]
    offsets = _offsets(encapsulated[at : at + length])
    begin = at + length
    starts = {place - _HEAD.size - begin for place, _ in fragments}
    if offsets and (offsets[0] != 0 or sorted(set(offsets)) != offsets or not starts.issuperset(offsets)):
        raise RejectInput(UnusableReason.BAD_OFFSET_TABLE)
    end = begin + offsets[1] if len(offsets) > 1 else len(encapsulated)
    frame = b"".join(encapsulated[place : place + size] for place, size in fragments if place < end)
    if not frame:
        raise RejectInput(UnusableReason.BAD_FRAGMENTS)
    return frame


def _items(encapsulated: bytes) -> list[tuple[int, int]]:
    """Where the value of each item begins and how long it is; the first is the Basic Offset Table."""
    found: list[tuple[int, int]] = []
    at, end = 0, len(encapsulated)
    # Only between items: a last fragment without a delimiter after it may hold the same bytes.
    delimiter = end - len(_DELIMITER) if encapsulated.endswith(_DELIMITER) else end
    while at < end and at != delimiter:
        if at + _HEAD.size > end or len(found) > MAX_FRAGMENTS:
            raise RejectInput(UnusableReason.BAD_FRAGMENTS)
        tag, length = _HEAD.unpack_from(encapsulated, at)
        at += _HEAD.size
        if tag != _ITEM or at + length > end:
            raise RejectInput(UnusableReason.BAD_FRAGMENTS)
        found.append((at, length))
        at += length
    return found


def _offsets(table: bytes) -> list[int]:
    if len(table) % 4:
        raise RejectInput(UnusableReason.BAD_OFFSET_TABLE)
    return list(struct.unpack(f"<{len(table) // 4}L", table))
