"""Data sets that a receiver can only store, and that hurt a reader which believes what they say."""

from __future__ import annotations

import struct
from functools import cache
from io import BytesIO

from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, RLELossless

from tests.contract.enhanced import enhanced
from tests.contract.receiving import CT, changed, small_series

# SOP class, transfer syntax, encoded data set.
Hostile = tuple[str, str, bytes]
FRAMES = 1000
_ANY, _LARGE = "0.120345", "120345678.5"


@cache
def zip_like() -> tuple[Hostile, ...]:
    """A thousand frames that share a few bytes: all at one place, and each within the one before."""
    one, codestream = small_series()[0], bytes(64)
    image = enhanced([one] * 4)
    image.NumberOfFrames = FRAMES
    image.PerFrameFunctionalGroupsSequence = [image.PerFrameFunctionalGroupsSequence[0]] * FRAMES
    image.file_meta.TransferSyntaxUID = RLELossless
    made: list[Hostile] = []
    for offsets in ([0] * FRAMES, list(range(0, 2 * FRAMES, 2))):
        table = struct.pack(f"<{FRAMES}Q", *offsets)
        lengths = struct.pack(f"<{FRAMES}Q", *[1 << 20] * FRAMES)
        packed = changed(
            image,
            PixelData=encapsulate([codestream] * 3, has_bot=False),
            ExtendedOffsetTable=table,
            ExtendedOffsetTableLengths=lengths,
        )
        packed["PixelData"].VR, packed["PixelData"].is_undefined_length = "OB", True
        made.append((EnhancedCTImageStorage, RLELossless, encoded(packed)))
    return tuple(made)


@cache
def nan_and_huge_geometry() -> tuple[Hostile, ...]:
    """One lie each: numbers that are none, numbers beyond a double, a matrix and frames of terabytes."""
    spacing, place = small_series()[0], small_series()[1]
    spacing = encoded(changed(spacing, PixelSpacing=[_ANY, _ANY]))
    position = encoded(changed(place, ImagePositionPatient=[_LARGE, _LARGE, _LARGE]))
    texts = [spacing.replace(_ANY.encode(), word.ljust(8)) for word in (b"nan", b"inf", b"-1e-300", b"0")]
    texts += [position.replace(_LARGE.encode(), word.ljust(11)) for word in (b"nan", b"1e308", b"-9e9999")]
    sizes = [
        changed(small_series()[2], Rows=65535, Columns=65535),
        changed(small_series()[2], NumberOfFrames=2147483647),
        changed(small_series()[2], BitsAllocated=65535, BitsStored=65535, HighBit=65534),
    ]
    return tuple((CT, ExplicitVRLittleEndian, text) for text in (*texts, *map(encoded, sizes)))


def encoded(data_set: Dataset) -> bytes:
    """Explicit VR Little Endian, as it goes over the wire."""
    out = BytesIO()
    target = DicomIO(out)
    target.is_little_endian, target.is_implicit_VR = True, False
    write_dataset(target, data_set)
    return out.getvalue()
