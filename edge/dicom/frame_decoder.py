"""One compressed frame to its stored values, by the codecs of pylibjpeg; runs where it may crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput


@dataclass(frozen=True, slots=True)
class CompressedFrame:
    """A grey frame as its sender compressed it, and what the data set says of it (PS3.3 C.7.6.3)."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    codestream: bytes = field(repr=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its stored values, little-endian."""
        return np.dtype(f"<{'ui'[self.pixel_representation]}{self.bits_allocated // 8}")

    @property
    def decoded_bytes(self) -> int:
        return self.rows * self.columns * self.dtype.itemsize


# Raises RejectInput for a frame that cannot be decoded, DecoderUnavailable when it may be tried again.
Decode = Callable[[CompressedFrame], NDArray[Any]]


def decode_frame(frame: CompressedFrame) -> NDArray[Any]:
    """Stored values (rows, columns) of `frame.dtype`, in this very process; raises RejectInput.

    A codec may crash, hang or take all memory over hostile bytes: the appliance goes through
    DecoderPool, whose workers call this.
    """
    attributes: dict[str, Any] = {
        "rows": frame.rows,
        "columns": frame.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": frame.bits_allocated,
        "bits_stored": frame.bits_stored,
        "pixel_representation": frame.pixel_representation,
        "pixel_keyword": "PixelData",
    }
    try:
        decoded, _ = get_decoder(frame.transfer_syntax_uid).as_array(
            encapsulate([frame.codestream], has_bot=False),
            index=0,
            raw=True,
            decoding_plugin="pylibjpeg",
            **attributes,
        )
    except MemoryError as error:
        raise RejectInput(UnusableReason.DECODER_OUT_OF_MEMORY) from error
    except Exception as error:
        raise RejectInput(UnusableReason.UNDECODABLE) from error
    except BaseException as error:
        # pylibjpeg-rle panics on damaged segments, and a Rust panic is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise RejectInput(UnusableReason.UNDECODABLE) from error
    # A codec answers in the smallest type its precision fits into.
    if decoded.shape != (frame.rows, frame.columns) or not np.can_cast(decoded.dtype, frame.dtype, "safe"):
        raise RejectInput(UnusableReason.MATRIX_MISMATCH)
    return np.ascontiguousarray(decoded, dtype=frame.dtype)
