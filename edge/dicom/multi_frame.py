"""Enhanced and legacy converted images: one frame at a time, as the single-frame image it could have been."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType] # its PathLike is bare
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from edge.dicom.attributes import integer, text
from edge.dicom.frame_places import FramePlace, frame_places
from edge.dicom.functional_groups import flattened_frames
from edge.dicom.part10_file import Part10File
from edge.dicom.slice_header import require_frames
from edge.domain.arrival import StoredInstance
from edge.domain.frame import Concatenation, frame_name
from edge.domain.series import SliceHeader
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_PIXEL_DATA = 0x7FE00010
_EMPTY_OFFSET_TABLE = b"\xfe\xff\x00\xe0\0\0\0\0"
# What the frames have in common; the groups and everything private stay behind.
_COMMON = (
    *("StudyInstanceUID", "SeriesInstanceUID", "Modality", "ImageType", "Manufacturer", "PatientAge"),
    *("AccessionNumber", "BodyPartExamined", "ContrastBolusAgent", "ConvolutionKernel", "PatientID"),
    *("AcquisitionNumber", "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated"),
    *("FrameOfReferenceUID", "AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PhotometricInterpretation"),
)
# Per-frame groups of thousands of frames are far below this; more is no header of an image.
_LARGEST_GROUPS_BYTES = 64 << 20
# Indexes kept: one for each association that sends such an image at the same time.
_KEPT = 4


@dataclass(frozen=True, slots=True)
class MultiFrame:
    """All of a multi-frame image but its pixels; `frames` in stored order, which means nothing."""

    common: Dataset
    frames: tuple[Dataset, ...]
    places: tuple[FramePlace, ...]
    concatenation: Concatenation | None
    transfer_syntax_uid: UID

    def frame(self, file: Part10File, number: int) -> Dataset:
        """Frame `number`, counted from 1, with its own pixels and nobody else's.

        Raises RejectInput for a codestream longer than a frame can need, unread.
        """
        place = self.places[number - 1]
        data_set = Dataset()
        data_set.update(self.common)
        data_set.update(self.frames[number - 1])
        file.seek(place.offset)
        pixels = file.read(place.length)
        if len(pixels) < place.length:
            raise RejectInput(UnusableReason.TRUNCATED)
        encapsulated = self.transfer_syntax_uid.is_encapsulated
        content = _EMPTY_OFFSET_TABLE + pixels if encapsulated else pixels
        data_set[_PIXEL_DATA] = DataElement(
            _PIXEL_DATA, "OB" if encapsulated else "OW", content, is_undefined_length=encapsulated
        )
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = self.transfer_syntax_uid
        return data_set

    def named(self, header: SliceHeader, number: int) -> SliceHeader:
        """The header of a frame, which goes by its number in its instance."""
        return replace(
            header,
            sop_instance_uid=frame_name(header.sop_instance_uid, number),
            number_of_frames=len(self.frames),
            concatenation=self.concatenation,
        )


class MultiFrames:
    """The latest indexes of multi-frame files, so that no frame needs all the groups parsed again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, MultiFrame] = OrderedDict()

    def of(self, file: Part10File, instance: StoredInstance) -> MultiFrame:
        """The index of `instance`, whose file this is; raises RejectInput and what pydicom raises."""
        # Held while indexing: other threads want the very index that is being made.
        with self._lock:
            if (known := self._kept.get(instance.path)) is not None:
                self._kept.move_to_end(instance.path)
                return known
            indexed = _indexed(file, instance)
            self._kept[instance.path] = indexed
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return indexed


def _indexed(file: Part10File, instance: StoredInstance) -> MultiFrame:
    file.seek(0)
    data_set = dcmread(file, stop_before_pixels=True, defer_size=_LARGEST_GROUPS_BYTES)
    require_frames(data_set, has_pixels=file.left > 0)
    frames = flattened_frames(data_set)
    allocated = integer(data_set, "BitsAllocated") or 0
    native_bytes = (integer(data_set, "Rows") or 0) * (integer(data_set, "Columns") or 0) * allocated // 8
    places = frame_places(data_set, file, len(frames), native_bytes)
    longest = 2 * native_bytes + (1 << 20)
    if any(place.length > longest for place in places):
        raise RejectInput(UnusableReason.PIXEL_DATA_TOO_LONG)
    common = Dataset()
    for keyword in _COMMON:
        if keyword in data_set:
            common[keyword] = data_set[keyword]
    syntax = UID(str(data_set.file_meta.TransferSyntaxUID))
    return MultiFrame(common, frames, places, _concatenation(data_set), syntax)


def _concatenation(data_set: Dataset) -> Concatenation | None:
    uid = text(data_set, "ConcatenationUID")
    if not uid:
        return None
    number = integer(data_set, "InConcatenationNumber") or 1
    return Concatenation(uid, number, integer(data_set, "InConcatenationTotalNumber") or 0)
