"""A synthetic head as Enhanced CT and its kin: functional groups written out by hand (PS3.3 A.38, A.70)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    generate_uid,
)

from tests.contract.receiving import changed

_LEFT_TO_THE_GROUPS = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "RescaleIntercept", "RescaleSlope", "RescaleType", "ConvolutionKernel"),
    *("InstanceNumber", "BodyPartExamined", "GantryDetectorTilt", "WindowCenter", "WindowWidth"),
)


def group(**attributes: object) -> list[Dataset]:
    """A sequence of one item."""
    return [changed(Dataset(), **attributes)]


def enhanced(slices: Sequence[Dataset], *, legacy: bool = False, **more: object) -> Dataset:
    """One instance with the given single-frame slices as its frames, in the order given."""
    first = slices[0]
    image = changed(first)
    for keyword in _LEFT_TO_THE_GROUPS:
        if keyword in image:
            delattr(image, keyword)
    image.SOPClassUID = LegacyConvertedEnhancedCTImageStorage if legacy else EnhancedCTImageStorage
    image.SOPInstanceUID = generate_uid(entropy_srcs=["enhanced", *(s.SOPInstanceUID for s in slices)])
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.NumberOfFrames = len(slices)
    image.SharedFunctionalGroupsSequence = [_shared(first, legacy=legacy)]
    image.PerFrameFunctionalGroupsSequence = [_own(s, k) for k, s in enumerate(slices, start=1)]
    image.PixelData = b"".join(s.PixelData for s in slices)
    image["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta = meta
    return changed(image, **more)


def concatenation(slices: Sequence[Dataset], parts: int) -> list[Dataset]:
    """The same image in `parts` instances (PS3.3 C.7.6.16.2.2.4)."""
    size = -(-len(slices) // parts)
    whole = generate_uid(entropy_srcs=["concatenation", *(s.SOPInstanceUID for s in slices)])
    return [
        enhanced(
            slices[k * size : (k + 1) * size],
            ConcatenationUID=whole,
            SOPInstanceUIDOfConcatenationSource=f"{whole}.1",
            InConcatenationNumber=k + 1,
            InConcatenationTotalNumber=parts,
            ConcatenationFrameOffsetNumber=k * size,
        )
        for k in range(parts)
    ]


def compressed(
    image: Dataset, syntax: str, *, fragments_per_frame: int = 1, offset_table: bool = True
) -> Dataset:
    """Its frames encoded one by one with pylibjpeg."""
    size = image.Rows * image.Columns * 2
    frames: list[bytes] = []
    for k in range(image.NumberOfFrames):
        one = changed(image, PixelData=image.PixelData[k * size : (k + 1) * size], NumberOfFrames=1)
        del one.PerFrameFunctionalGroupsSequence
        one.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        frames.append(_codestream(one.PixelData))
    packed = changed(
        image, PixelData=encapsulate(frames, fragments_per_frame=fragments_per_frame, has_bot=offset_table)
    )
    packed.file_meta.TransferSyntaxUID = syntax
    packed["PixelData"].VR = "OB"
    packed["PixelData"].is_undefined_length = True
    return packed


def _codestream(encapsulated: bytes) -> bytes:
    return get_frame(encapsulated, 0, number_of_frames=1)


def _shared(first: Dataset, *, legacy: bool) -> Dataset:
    shared = Dataset()
    shared.PixelMeasuresSequence = group(
        PixelSpacing=first.PixelSpacing,
        SliceThickness=first.SliceThickness,
        SpacingBetweenSlices=first.SpacingBetweenSlices,
    )
    shared.PlaneOrientationSequence = group(ImageOrientationPatient=first.ImageOrientationPatient)
    shared.CTImageFrameTypeSequence = group(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    head = group(CodeValue="69536005", CodingSchemeDesignator="SCT", CodeMeaning="Head structure")
    shared.FrameAnatomySequence = group(FrameLaterality="U", AnatomicRegionSequence=head)
    kernel = {"ConvolutionKernel": first.ConvolutionKernel}
    if legacy:
        shared.UnassignedSharedConvertedAttributesSequence = group(**kernel)
    else:
        shared.CTReconstructionSequence = group(**kernel)
    return shared


def _own(one: Dataset, number: int) -> Dataset:
    own = Dataset()
    own.FrameContentSequence = group(
        StackID="1", InStackPositionNumber=number, DimensionIndexValues=[1, number]
    )
    own.PlanePositionSequence = group(ImagePositionPatient=one.ImagePositionPatient)
    own.PixelValueTransformationSequence = group(
        RescaleIntercept=one.RescaleIntercept, RescaleSlope=one.RescaleSlope, RescaleType="HU"
    )
    return own
