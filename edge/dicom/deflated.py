"""Deflated Explicit VR Little Endian (PS3.5 A.5), inflated here and not by pydicom, which knows no limit."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import BinaryIO, cast

from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from edge.dicom.part10_file import Part10File
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

# The largest frame there may be, 32 MiB, and what goes with it.
MAX_INFLATED_BYTES = 40 << 20
_CHUNK_BYTES = 1 << 16
_META_BYTES = 4096
_PREAMBLE_BYTES = 128
# What the data set is once it is inflated: (0002,0010) Explicit VR Little Endian.
_PLAIN_META = b"\0" * _PREAMBLE_BYTES + b"DICM" + b"\2\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"


def inflated(file: Part10File) -> Part10File:
    """The file itself, at its begin, or another one with what was deflated in it; raises RejectInput."""
    file.seek(0)
    head = file.read(_META_BYTES)
    begin = _data_set_at(file) if DeflatedExplicitVRLittleEndian.encode("ascii") in head else None
    if begin is None:
        file.seek(0)
        return file
    file.seek(begin)
    plain = bytearray(_PLAIN_META)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof and (chunk := file.read(_CHUNK_BYTES)):
            plain += inflater.decompress(chunk, MAX_INFLATED_BYTES)
            if len(plain) > MAX_INFLATED_BYTES or inflater.unconsumed_tail:
                raise RejectInput(UnusableReason.INFLATES_TOO_LARGE)
    except zlib.error as error:
        raise RejectInput(UnusableReason.BAD_DEFLATE) from error
    if not inflater.eof:
        raise RejectInput(UnusableReason.BAD_DEFLATE)
    return Part10File(BytesIO(plain), len(plain))


def _data_set_at(file: Part10File) -> int | None:
    """Where the data set begins if it is deflated; the file meta information is plain (PS3.10 7.1)."""
    file.seek(_PREAMBLE_BYTES)
    if file.read(4) != b"DICM":
        return None
    meta = read_dataset(cast("BinaryIO", file), False, True, stop_when=_behind_the_meta)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    return file.tell() if syntax == DeflatedExplicitVRLittleEndian else None


def _behind_the_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2
