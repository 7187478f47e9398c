"""From pixel data in any accepted transfer syntax to int16 Hounsfield units."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, RLELossless

from edge.dicom.attributes import integer, numbers, text
from edge.dicom.codestream import check_effort, check_rle_segments, frame_size
from edge.dicom.encapsulated import first_frame
from edge.dicom.frame_decoder import CompressedFrame, Decode
from edge.dicom.slice_header import NotASlice
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

AIR_HU = -1024
# Values of RescaleType that say Hounsfield units; many scanners leave it out or say unspecified.
_HOUNSFIELD = frozenset({"", "HU", "HU_MOD", "US"})
# Padding that rescales into soft tissue is a left-over of a tool that rewrote the pixels.
_TISSUE_HU = (-200.0, 200.0)
# Of a CT: with less even 16 bits span no tissue, with more neighbouring values are further apart than
# water and bone; an intercept further off than int16 leaves no tissue in reach either.
_SLOPES = (1e-3, 100.0)
_MAX_INTERCEPT_HU = 32768.0


def hounsfield_yx(data_set: Dataset, decode: Decode) -> NDArray[np.int16]:
    """Modality LUT applied (PS3.3 C.11.1), rounded, clipped to -1024 and int16; padding becomes air.

    MONOCHROME1 says which end is shown white, not what a value means (PS3.3 C.7.6.3.1.2). `decode` is
    asked for compressed pixels only; its errors pass through.
    Raises NotASlice for maps that hold no Hounsfield units, RejectInput for contradictions.
    """
    slope, intercept = _rescale(data_set)
    _check_bits(data_set)
    stored = _stored_yx(data_set, decode)
    hu_yx = np.rint(stored * np.float64(slope) + intercept)
    padding = _padding(data_set, slope, intercept)
    if padding is not None:
        hu_yx[(stored >= padding[0]) & (stored <= padding[1])] = AIR_HU
    lowest = AIR_HU if text(data_set, "Modality").upper() == "CT" else np.iinfo(np.int16).min
    return np.clip(hu_yx, lowest, np.iinfo(np.int16).max).astype(np.int16)


def _rescale(data_set: Dataset) -> tuple[float, float]:
    if "ModalityLUTSequence" in data_set:
        raise RejectInput(UnusableReason.MODALITY_LUT_UNSUPPORTED)
    ct = text(data_set, "Modality").upper() == "CT"
    if not ct:
        slope, intercept = numbers(data_set, "RescaleSlope"), numbers(data_set, "RescaleIntercept")
        slope, intercept = slope or (1.0,), intercept or (0.0,)
    elif text(data_set, "RescaleType").upper() not in _HOUNSFIELD:
        raise NotASlice(UnusableReason.NOT_HOUNSFIELD)
    else:
        slope, intercept = numbers(data_set, "RescaleSlope"), numbers(data_set, "RescaleIntercept")
    if not slope or not intercept:
        raise RejectInput(UnusableReason.MISSING_RESCALE)
    if not (math.isfinite(slope[0]) and math.isfinite(intercept[0])) or slope[0] == 0:
        raise RejectInput(UnusableReason.BAD_RESCALE)
    lowest, highest = _SLOPES
    if ct and not (lowest <= abs(slope[0]) <= highest and abs(intercept[0]) <= _MAX_INTERCEPT_HU):
        raise RejectInput(UnusableReason.ABSURD_RESCALE)
    return slope[0], intercept[0]


def _check_bits(data_set: Dataset) -> None:
    allocated, stored = integer(data_set, "BitsAllocated"), integer(data_set, "BitsStored")
    high_bit = integer(data_set, "HighBit")
    if allocated not in (8, 16) or stored is None or not 1 <= stored <= allocated:
        raise RejectInput(UnusableReason.BAD_BITS)
    if high_bit is not None and high_bit != stored - 1:
        raise RejectInput(UnusableReason.BAD_BITS)
    if integer(data_set, "PixelRepresentation") not in (0, 1):
        raise RejectInput(UnusableReason.BAD_PIXEL_REPRESENTATION)


def _stored_yx(data_set: Dataset, decode: Decode) -> NDArray[np.integer[Any]]:
    """Stored values as the decoder gives them, bits above HighBit (old overlays) removed."""
    rows, columns = integer(data_set, "Rows") or 0, integer(data_set, "Columns") or 0
    allocated, bits = integer(data_set, "BitsAllocated") or 16, integer(data_set, "BitsStored") or 16
    syntax = UID(str(data_set.file_meta.TransferSyntaxUID))
    if syntax.is_encapsulated:
        signed = integer(data_set, "PixelRepresentation") or 0
        codestream = first_frame(cast("bytes", data_set.PixelData))
        frame = CompressedFrame(syntax, rows, columns, allocated, bits, signed, codestream)
        _check_frame(frame)
        return cast("NDArray[np.integer[Any]]", decode(frame))
    _check_length(len(cast("bytes", data_set.PixelData)), rows, columns, allocated)
    stored = cast("NDArray[np.integer[Any]]", pixel_array(data_set, raw=True))
    if stored.shape != (rows, columns):
        raise RejectInput(UnusableReason.MATRIX_MISMATCH)
    spare = stored.dtype.itemsize * 8 - bits
    return (stored << spare) >> spare if spare else stored


def _check_frame(frame: CompressedFrame) -> None:
    """Before decoding, for a decoder allocates what the codestream claims and not what Rows says."""
    if frame.transfer_syntax_uid == RLELossless:
        return check_rle_segments(frame.codestream, frame.bits_allocated // 8)
    claimed = frame_size(frame.codestream)
    size = (claimed.rows, claimed.columns, claimed.samples)
    if size != (frame.rows, frame.columns, 1) or claimed.bits > frame.bits_allocated:
        raise RejectInput(UnusableReason.FRAME_SIZE_MISMATCH)
    return check_effort(frame.codestream)


def _check_length(length: int, rows: int, columns: int, allocated: int) -> None:
    row_bytes = columns * allocated // 8
    surplus = length - rows * row_bytes
    if surplus < 0:
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_SHORT)
    if surplus >= max(row_bytes, 2):
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_LONG)


def _padding(data_set: Dataset, slope: float, intercept: float) -> tuple[float, float] | None:
    value = numbers(data_set, "PixelPaddingValue")
    if not value:
        return None
    limit = numbers(data_set, "PixelPaddingRangeLimit") or value
    low, high = sorted((value[0], limit[0]))
    if any(_TISSUE_HU[0] <= v * slope + intercept <= _TISSUE_HU[1] for v in (low, high)):
        return None
    return low, high
