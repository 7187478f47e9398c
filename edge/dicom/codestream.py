"""The frame size that a compressed frame itself claims: what a decoder allocates for, whatever Rows says.

ISO/IEC 10918-1 annex B (JPEG), 14495-1 annex C (JPEG-LS), 15444-1 annexes A and I (JPEG 2000, HTJ2K),
PS3.5 annex G (RLE). Only headers are read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

from edge.dicom.jpeg2000 import check_effort as check_jpeg_2000_effort
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SOI, _SOS, _EOI, _DHP, _APP11, _SOF55 = 0xD8, 0xDA, 0xD9, 0xDE, 0xEB, 0xF7
# SOF0 to SOF15 without DHT, JPG and DAC, which share their range.
_START_OF_FRAME = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {_SOF55}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_RLE_HEADER_BYTES = 64
# OpenJPEG keeps kilobytes for each tile; a frame is cut into one, or a few dozen.
_MAX_TILES = 4096


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Of one frame; `bits` is the precision of a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def frame_size(codestream: bytes) -> FrameSize:
    """Of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame; raises RejectInput for what a decoder must not see."""
    try:
        if codestream.startswith(_JP2_SIGNATURE):
            return _jpeg_2000(codestream, _contiguous_codestream(codestream))
        if codestream[:2] == b"\xff\x4f":
            return _jpeg_2000(codestream, 0)
        if codestream[:2] == b"\xff\xd8":
            return _jpeg(codestream)
    except struct.error as error:
        raise RejectInput(UnusableReason.BAD_CODESTREAM) from error
    raise RejectInput(UnusableReason.BAD_CODESTREAM)


def check_effort(codestream: bytes) -> None:
    """Raises RejectInput for a frame that would keep its decoder busy with anything but pixels."""
    if codestream[:2] != b"\xff\xd8":
        wrapped = codestream.startswith(_JP2_SIGNATURE)
        check_jpeg_2000_effort(codestream, _contiguous_codestream(codestream) if wrapped else 0)


def check_rle_segments(frame: bytes, count: int) -> None:
    """Raises RejectInput unless the header lists `count` segments in order and inside the frame."""
    if len(frame) < _RLE_HEADER_BYTES:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    claimed, *offsets = struct.unpack_from("<16L", frame)
    if claimed != count:
        raise RejectInput(UnusableReason.FRAME_SIZE_MISMATCH)
    bounds = [*offsets[:count], len(frame)]
    if bounds[0] != _RLE_HEADER_BYTES or any(a >= b for a, b in pairwise(bounds)):
        raise RejectInput(UnusableReason.BAD_CODESTREAM)


def _jpeg(codestream: bytes) -> FrameSize:
    """The one frame header before the first scan; hierarchical and two-layer frames are refused."""
    found: list[FrameSize] = []
    at = 2
    while True:
        while codestream[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        lead, marker = struct.unpack_from(">BB", codestream, at)
        if lead != 0xFF or marker in {0x00, _SOI, _EOI, _DHP}:
            raise RejectInput(UnusableReason.BAD_CODESTREAM)
        at += 2
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", codestream, at)
        # JPEG XT (ISO/IEC 18477) hides a second codestream in its boxes.
        if length < 2 or (marker == _APP11 and codestream[at + 2 : at + 4] == b"JP"):
            raise RejectInput(UnusableReason.BAD_CODESTREAM)
        if marker in _START_OF_FRAME:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", codestream, at + 2)
            found.append(FrameSize(rows, columns, samples, bits))
        if marker == _SOS:
            break
        at += length
    if len(found) != 1:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    return found[0]


def _contiguous_codestream(boxes: bytes) -> int:
    """Where the codestream of a JP2 file begins; DICOM wants it bare, some senders wrap it."""
    at = 0
    while True:
        length, kind = struct.unpack_from(">L4s", boxes, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", boxes, at + 8)
            head = 16
        if kind == b"jp2c":
            return at + head
        if length < head:
            raise RejectInput(UnusableReason.BAD_CODESTREAM)
        at += length


def _jpeg_2000(codestream: bytes, at: int) -> FrameSize:
    soc, siz, _, _, *numbers, samples = struct.unpack_from(">HHHH8LH", codestream, at)
    if (soc, siz) != (0xFF4F, 0xFF51):
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top = numbers
    if min(tile_width, tile_height) < 1 or left >= right or top >= bottom:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    tiles = -((tile_left - right) // tile_width) * -((tile_top - bottom) // tile_height)
    if not 1 <= tiles <= _MAX_TILES:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    # More samples than one are refused by who compares; here only the first has to be there.
    depth, step_x, step_y = struct.unpack_from(">BBB", codestream, at + 42)
    if (step_x, step_y) != (1, 1):
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    return FrameSize(bottom - top, right - left, samples, (depth & 0x7F) + 1)
