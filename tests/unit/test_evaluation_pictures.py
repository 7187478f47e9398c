from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.evaluation.plots import calibration_svg, roc_svg, volume_svg
from edge.evaluation.png import SIGNATURE, png
from edge.evaluation.statistics import calibration, roc

PALETTE = [(i, i, i) for i in range(16)]


def decoded(data: bytes) -> tuple[NDArray[np.uint8], bytes]:
    """Indices and palette, by the book: W3C PNG, 5.3 and 9.2."""
    assert data[:8] == SIGNATURE
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        assert crc == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    columns, rows, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 3, [0, 0, 0])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert set(lines[:, 0]) == {2}
    return np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8), chunks[b"PLTE"]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_png_holds_what_went_in(rows: int, columns: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 16, (rows, columns)).astype(np.uint8)
    found, palette = decoded(png(pixels, PALETTE))
    assert (found == pixels).all()
    assert palette == bytes(v for c in PALETTE for v in c)


def test_a_pixel_without_a_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        png(np.full((2, 2), 16, np.uint8), PALETTE)
    with pytest.raises(ValueError, match="colour"):
        png(np.zeros((0, 2), np.uint8), PALETTE)


def test_plots_are_well_formed_and_within_their_frame() -> None:
    curve = roc([0.1, 0.4, 0.9], [False, True, True])
    promised = calibration([0.1, 0.9, 0.95], [False, True, True])
    assert curve is not None
    assert promised is not None
    drawn = [
        roc_svg([("a & b", curve)], [("page", (0.0, 0.5))]),
        calibration_svg(promised),
        volume_svg([(10.0, 12.0), (5.0, 0.0), (500.0, 900.0)]),
    ]
    for text in drawn:
        root = ET.fromstring(text)
        _, _, width, height = (float(v) for v in root.attrib["viewBox"].split())
        for dot in root.iter("circle"):
            assert 0 <= float(dot.attrib["cx"]) <= width
            assert 0 <= float(dot.attrib["cy"]) <= height
    assert len(list(ET.fromstring(drawn[2]).iter("circle"))) == 3
