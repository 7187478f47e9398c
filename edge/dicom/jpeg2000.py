"""What the main header of JPEG 2000 and HTJ2K asks of a decoder (ISO/IEC 15444-1 annexes A and B)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_SOC, _SIZ, _COD, _COC, _SOT = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90
# A 4096 x 4096 frame in code-blocks of 16 x 16 and precincts of 64 x 64, and as many packets as it has
# pixels in a 512 x 512 one. A decoder keeps a few hundred bytes for each, whatever is in the file.
MAX_CODE_BLOCKS = 1 << 18
MAX_PRECINCTS = 1 << 16
MAX_PACKETS = 1 << 18
_MAX_LEVELS = 32


def check_effort(codestream: bytes, at: int = 0) -> None:
    """Raises RejectInput for a codestream at `at` that is cut into more pieces than a frame needs.

    Only the main header is read; what a tile-part header changes of it, the limits of the worker catch.
    """
    try:
        _check(codestream, at)
    except struct.error as error:
        raise RejectInput(UnusableReason.BAD_CODESTREAM) from error


def _check(codestream: bytes, at: int) -> None:
    segments = dict(_main_header(codestream, at))
    if _SIZ not in segments or _COD not in segments:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    right, bottom, left, top, *tile = struct.unpack_from(">8L", segments[_SIZ], 2)
    width, height = right - left, bottom - top
    if min(width, height, tile[0], tile[1]) < 1:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    tiles = -(-width // tile[0]) * -(-height // tile[1])
    style, _, layers, _ = struct.unpack_from(">BBHB", segments[_COD])
    packets = 0
    for cut, own_precincts in ((segments[_COD][5:], style & 1), *_component(segments)):
        precincts, code_blocks = _pieces(min(width, tile[0]), min(height, tile[1]), cut, bool(own_precincts))
        packets = max(packets, tiles * precincts * layers)
        if tiles * precincts > MAX_PRECINCTS or tiles * code_blocks > MAX_CODE_BLOCKS:
            raise RejectInput(UnusableReason.CODESTREAM_TOO_COMPLEX)
    if packets > MAX_PACKETS:
        raise RejectInput(UnusableReason.CODESTREAM_TOO_COMPLEX)


def _component(segments: dict[int, bytes]) -> Iterator[tuple[bytes, int]]:
    """COC, which for the one component of a grey frame takes the place of COD (A.6.2)."""
    if _COC in segments:
        yield segments[_COC][2:], segments[_COC][1] & 1 if len(segments[_COC]) > 1 else 0


def _main_header(codestream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Marker and content of every segment between SOC and the first tile-part."""
    if struct.unpack_from(">H", codestream, at) != (_SOC,):
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    at += 2
    while True:
        (marker,) = struct.unpack_from(">H", codestream, at)
        if marker == _SOT:
            return
        (length,) = struct.unpack_from(">H", codestream, at + 2)
        if length < 2 or at + 2 + length > len(codestream):
            raise RejectInput(UnusableReason.BAD_CODESTREAM)
        yield marker, codestream[at + 4 : at + 2 + length]
        at += 2 + length


def _pieces(width: int, height: int, cut: bytes, own_precincts: bool) -> tuple[int, int]:
    """Precincts and code-blocks of one tile: SPcod or SPcoc of table A.15 applied to B.6 and B.7."""
    levels, block_width, block_height = struct.unpack_from(">BBB", cut)
    if levels > _MAX_LEVELS or (block_width & 15) + (block_height & 15) > 8:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    sizes = cut[5 : 6 + levels] if own_precincts else b"\xff" * (levels + 1)
    if len(sizes) != levels + 1:
        raise RejectInput(UnusableReason.BAD_CODESTREAM)
    precincts = code_blocks = 0
    for resolution, size in enumerate(sizes):
        step = 1 << (levels - resolution)
        across, down = -(-width // step), -(-height // step)
        precincts += -(-across // (1 << (size & 15))) * -(-down // (1 << (size >> 4)))
        # Bands of a resolution above the lowest are half as large, and so are their precincts.
        halved = 1 if resolution else 0
        block_x = min((block_width & 15) + 2, max(0, (size & 15) - halved))
        block_y = min((block_height & 15) + 2, max(0, (size >> 4) - halved))
        bands = 3 if resolution else 1
        one = -(-across // (1 << (block_x + halved))) * -(-down // (1 << (block_y + halved)))
        code_blocks += bands * one
    return precincts, code_blocks
