"""One stored Part 10 file, read no further than needed and never beyond its end."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO, cast

from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType] # its PathLike is bare
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from edge.domain.unusable import UnusableReason
from edge.errors import InboxUnreadable, RejectInput

_PIXEL_DATA = 0x7FE00010
# Private elements larger than this are passed over; no attribute we look at comes near.
_LARGE_ELEMENT_BYTES = 65536
_TRAILING_BYTES = 1 << 20
# Some ten times what the header of a multi-frame object with 1,500 slices takes; each element is a read
# or two, and pydicom keeps some hundred bytes for each, however small it is.
MAX_HEADER_READS = 600_000
MAX_HEADER_BYTES = 64 << 20


class Part10File:
    """A file object for pydicom: what a damaged length claims beyond the end is not asked for.

    Reading raises InboxUnreadable where the operating system fails, so that no other OSError is taken
    for that, and RejectInput for a header that goes on and on.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._header = False
        self._reads = self._bytes = 0

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return max(0, self.size - self._file.tell())

    @contextmanager
    def header(self) -> Generator[None]:
        """Reading within the block is limited to what a header may take."""
        self._header, self._reads, self._bytes = True, 0, 0
        try:
            yield
        finally:
            self._header = False

    def read(self, size: int = -1, /) -> bytes:
        if self._header:
            self._reads += 1
            self._bytes += min(size, self.left) if size >= 0 else self.left
            if self._reads > MAX_HEADER_READS or self._bytes > MAX_HEADER_BYTES:
                raise RejectInput(UnusableReason.HEADER_TOO_LARGE)
        try:
            return self._file.read(self.left if size < 0 else min(size, self.left))
        except OSError as error:
            raise unreadable(error) from error

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def unreadable(error: OSError) -> InboxUnreadable:
    """The same trouble in our words; the message is a label like `eio` and names no file."""
    return InboxUnreadable(errno_name(error))


def errno_name(error: OSError) -> str:
    """`eio`, `emfile`: a word for labels."""
    return errno.errorcode.get(error.errno or 0, "os_error").lower()


def read_header(file: Part10File) -> Dataset:
    """Everything before the pixel data, where the file then stands: at its end if there are none.

    Raises RejectInput for a header that breaks off, of which pydicom keeps nothing, and what pydicom raises.
    """
    with file.header():
        data_set = dcmread(file, stop_before_pixels=True, defer_size=_LARGE_ELEMENT_BYTES)
    if not len(data_set):
        raise RejectInput(UnusableReason.TRUNCATED)
    return data_set


def load_pixel_data(data_set: Dataset, file: Part10File, native_bytes: int) -> None:
    """Adds Pixel Data; raises RejectInput for more than a frame of `native_bytes` can need, unread."""
    if file.left > 2 * native_bytes + _TRAILING_BYTES:
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_LONG)
    implicit, little_endian = data_set.original_encoding
    found = read_dataset(
        cast("BinaryIO", file), bool(implicit), bool(little_endian), stop_when=_behind_pixel_data
    )
    if _PIXEL_DATA not in found:
        raise RejectInput(UnusableReason.TRUNCATED)
    data_set[_PIXEL_DATA] = found[_PIXEL_DATA]
    # One frame needs no offsets, and wrong ones would show the decoder another frame than was checked.
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in data_set:
            delattr(data_set, keyword)


def _behind_pixel_data(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag != _PIXEL_DATA
