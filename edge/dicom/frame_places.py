"""Where the frames of a multi-frame image lie in their file, found without reading them (PS3.5 A.4)."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass

from pydicom.dataset import Dataset

from edge.dicom.part10_file import Part10File
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_PIXEL_DATA = (0x7FE0, 0x0010)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
# A frame in more fragments than this was cut up to be slow to find.
_FRAGMENTS_PER_FRAME = 256


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Bytes of one frame: the bare pixels, or the items that hold its codestream."""

    offset: int
    length: int


def frame_places(
    data_set: Dataset, file: Part10File, frames: int, native_bytes: int
) -> tuple[FramePlace, ...]:
    """One place per frame; `file` stands at Pixel Data, and a native frame has `native_bytes`.

    Raises RejectInput when the pixel data are not what the header says.
    """
    implicit, little_endian = (bool(v) for v in data_set.original_encoding)
    length = _pixel_data_length(file, implicit=implicit, little_endian=little_endian)
    if length == _UNDEFINED:
        return _encapsulated(data_set, file, frames)
    start, needed = file.tell(), frames * native_bytes
    if min(length, file.left) < needed:
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_SHORT)
    if length - needed >= max(native_bytes, 2):
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_LONG)
    return tuple(FramePlace(start + k * native_bytes, native_bytes) for k in range(frames))


def _pixel_data_length(file: Part10File, *, implicit: bool, little_endian: bool) -> int:
    order = "<" if little_endian else ">"
    head = file.read(8 if implicit else 12)
    if len(head) < (8 if implicit else 12):
        raise RejectInput(UnusableReason.MISSING_PIXEL_DATA)
    if struct.unpack_from(f"{order}HH", head) != _PIXEL_DATA:
        raise RejectInput(UnusableReason.MISSING_PIXEL_DATA)
    (length,) = struct.unpack_from(f"{order}L", head, 4 if implicit else 8)
    return int(length)


def _encapsulated(data_set: Dataset, file: Part10File, frames: int) -> tuple[FramePlace, ...]:
    basic = _basic_offsets(file)
    base = file.tell()
    starts, end = _items(file, frames)
    if len(starts) == frames:  # one fragment a frame, which no table can contradict
        firsts = starts
    else:
        offsets = _extended_offsets(data_set) or basic or ([0] if frames == 1 else [])
        firsts = [base + offset for offset in offsets]
    if len(firsts) != frames or firsts != sorted(set(firsts)) or firsts[0] != starts[0]:
        raise RejectInput(UnusableReason.BAD_OFFSET_TABLE)
    if any(starts[i] != first for first in firsts if (i := bisect_left(starts, first)) < len(starts)):
        raise RejectInput(UnusableReason.BAD_OFFSET_TABLE)
    return tuple(FramePlace(a, b - a) for a, b in zip(firsts, [*firsts[1:], end], strict=True))


def _basic_offsets(file: Part10File) -> list[int]:
    tag, length = _item_head(file)
    if tag != _ITEM or length % 4 or length > file.left:
        raise RejectInput(UnusableReason.BAD_FRAGMENTS)
    return list(struct.unpack(f"<{length // 4}L", file.read(length)))


def _extended_offsets(data_set: Dataset) -> list[int]:
    table = data_set.get("ExtendedOffsetTable")
    if not isinstance(table, bytes) or len(table) % 8:
        return []
    return list(struct.unpack(f"<{len(table) // 8}Q", table))


def _items(file: Part10File, frames: int) -> tuple[list[int], int]:
    """Where each fragment's item begins, and where the last one ends."""
    starts: list[int] = []
    while True:
        at = file.tell()
        if not file.left:
            break  # some senders leave the delimiter out
        tag, length = _item_head(file)
        if tag == _DELIMITER:
            break
        if tag != _ITEM or length > file.left or len(starts) >= _FRAGMENTS_PER_FRAME * frames:
            raise RejectInput(UnusableReason.BAD_FRAGMENTS)
        starts.append(at)
        file.seek(at + 8 + length)
    if not starts:
        raise RejectInput(UnusableReason.BAD_FRAGMENTS)
    return starts, at


def _item_head(file: Part10File) -> tuple[tuple[int, int], int]:
    head = file.read(8)
    if len(head) < 8:
        raise RejectInput(UnusableReason.BAD_FRAGMENTS)
    group, element, length = struct.unpack("<HHL", head)
    return (group, element), int(length)
