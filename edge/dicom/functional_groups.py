"""Functional groups of a multi-frame image as the attributes a single-frame image has (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from edge.dicom.attributes import integer, text
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# Of which macro which attributes are needed (PS3.3 C.7.6.16.2 and C.8.15.3). Legacy converted images keep
# what has no macro in the unassigned ones (C.7.6.16.2.25).
_LEFT_OVER = ("ConvolutionKernel", "ContrastBolusAgent", "BodyPartExamined")
_MACROS: dict[str, tuple[str, ...]] = {
    "UnassignedSharedConvertedAttributesSequence": _LEFT_OVER,
    "UnassignedPerFrameConvertedAttributesSequence": _LEFT_OVER,
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope", "RescaleType"),
    "CTReconstructionSequence": ("ConvolutionKernel",),
}
_FRAME_TYPES = (
    "CTImageFrameTypeSequence",
    "MRImageFrameTypeSequence",
    "PETFrameTypeSequence",
)
# Codes of Anatomic Region (CID 4028) in the words of Body Part Examined; others go by their meaning.
_HEAD_CODES = {
    "69536005": "HEAD",
    "T-D1100": "HEAD",
    "12738006": "BRAIN",
    "T-A0100": "BRAIN",
    "89546000": "SKULL",
    "T-11100": "SKULL",
}


def framewise(data_set: Dataset) -> bool:
    """Whether each frame of it says for itself what and where it is."""
    return _PER_FRAME in data_set


def flattened_frames(data_set: Dataset) -> tuple[Dataset, ...]:
    """Per frame, in stored order, the attributes that a single-frame image has at its top level.

    Raises RejectInput when the groups are not as many as Number of Frames says.
    """
    shared = next(iter(_items(data_set, _SHARED)), Dataset())
    per_frame = list(_items(data_set, _PER_FRAME))
    if not per_frame or len(per_frame) != integer(data_set, "NumberOfFrames"):
        raise RejectInput(UnusableReason.FRAME_COUNT_MISMATCH)
    contrast = _contrast(data_set)
    common = _flattened(shared)
    return tuple(_frame(common, _flattened(own), contrast, (shared, own)) for own in per_frame)


def _frame(common: Dataset, own: Dataset, contrast: bool, groups: Iterable[Dataset]) -> Dataset:
    flat = Dataset()
    flat.update(common)
    flat.update(own)
    if contrast and _administered(groups) and "ContrastBolusAgent" not in flat:
        flat.ContrastBolusAgent = "ADMINISTERED"
    return flat


def _flattened(groups: Dataset) -> Dataset:
    flat = Dataset()
    for macro, keywords in _MACROS.items():
        for item in _items(groups, macro):
            for keyword in keywords:
                if keyword in item:
                    flat[keyword] = item[keyword]
    for macro in _FRAME_TYPES:
        for item in _items(groups, macro):
            if "FrameType" in item:
                flat.ImageType = item.FrameType
    for anatomy in _items(groups, "FrameAnatomySequence"):
        for region in _items(anatomy, "AnatomicRegionSequence"):
            flat.BodyPartExamined = _HEAD_CODES.get(text(region, "CodeValue"), _meaning(region))
    return flat


def _meaning(region: Dataset) -> str:
    return text(region, "CodeMeaning").upper().replace("\\", " ")


def _contrast(data_set: Dataset) -> bool:
    return any(True for _ in _items(data_set, "ContrastBolusAgentSequence"))


def _administered(groups: Iterable[Dataset]) -> bool:
    """Only a frame that says NO for every agent is one without (PS3.3 C.7.6.16.2.12)."""
    said = [
        text(usage, "ContrastBolusAgentAdministered").upper()
        for group in groups
        for usage in _items(group, "ContrastBolusUsageSequence")
    ]
    return not said or any(word != "NO" for word in said)


def _items(data_set: Dataset, keyword: str) -> Iterator[Dataset]:
    value = cast("object", data_set.get(keyword))
    if isinstance(value, Sequence):
        yield from cast("Iterable[Dataset]", value)
