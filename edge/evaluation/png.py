"""Indexed PNG (W3C PNG, third edition) with zlib: the one image format a report needs, written only.

Twenty lines that never change weigh less here than an imaging library among the product's dependencies.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED, _UP = 3, 2


def png(indices_yx: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """`indices_yx` (rows, columns) into `palette` of at most 256 RGB colours; raises ValueError otherwise."""
    rows, columns = indices_yx.shape
    if not 0 < len(palette) <= 256 or not indices_yx.size or int(indices_yx.max()) >= len(palette):
        raise ValueError("every pixel needs a colour of the palette")
    # Each row minus the one above it: neighbouring rows of a head are alike.
    lines = np.empty((rows, columns + 1), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = indices_yx[0]
    lines[1:, 1:] = indices_yx[1:] - indices_yx[:-1]
    header = struct.pack(">IIBBBBB", columns, rows, 8, _INDEXED, 0, 0, 0)
    colours = bytes(value for colour in palette for value in colour)
    parts = (
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
