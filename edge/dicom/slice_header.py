"""From a data set to the header of a slice (PS3.3 C.7.6.2 image plane, C.8.2.1 CT image)."""

from __future__ import annotations

import math
import re

from pydicom.dataset import Dataset

from edge.dicom.attributes import integer, numbers, positive, text, texts
from edge.dicom.object_kind import never_a_slice, other_kind
from edge.domain.arrival import StoredInstance
from edge.domain.identity import SeriesInstanceUID, StudyInstanceUID, derived_uid, made_up_series
from edge.domain.series import SliceHeader, Vector
from edge.domain.unusable import UnusableReason
from edge.errors import RejectInput
from edge.imaging.geometry import SlicePlane, offset_along_normal_mm, slice_normal, tilt_deg

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
# With the enhanced and legacy converted ones, which are multi-frame.
_VOLUME_CLASSES = frozenset({CT_IMAGE_STORAGE, MR_IMAGE_STORAGE}) | {
    *(f"{CT_IMAGE_STORAGE}.{k}" for k in (1, 2)),
    *(f"{MR_IMAGE_STORAGE}.{k}" for k in (1, 3, 4)),
}

# Larger than any detector; a damaged header must not make us allocate gigabytes.
_MAX_PIXELS = 4096 * 4096
_MAX_SPACING_MM = 50.0
# Ten metres: no scanner's coordinate system reaches as far.
_MAX_POSITION_MM = 10_000.0
# One sample per pixel, and that is the number of a colour (PS3.3 C.7.6.3.1.2).
_PALETTE = "PALETTE COLOR"
_SIGN_FROM = 0.1
_AGE = re.compile(r"^(\d{1,3})([DWMY])$")
_YEARS_PER = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
# What technologists type into the agent's field of a scan without contrast.
_NO_AGENT = frozenset({"NONE", "NO", "N"})


class NotASlice(RejectInput):
    """A sound object that is no slice: of OTHER_KINDS, or an image of the volume that we cannot use."""


def require_slice(data_set: Dataset, sop_class_uid: str, *, has_pixels: bool) -> None:
    """Raises NotASlice for objects of another kind, RejectInput when attributes every image has lack.

    Reports, presentation states, screen captures, projections and localizers have no place in the volume
    and are OTHER_KINDS; multi_frame_unsupported, colour_image, palette_colour and not_hounsfield may be its
    slices all the same.
    Needs no pixel data: `has_pixels` says whether there are any.
    """
    functional_groups = bool(text(data_set, "SharedFunctionalGroupsSequence"))
    placed = any(k in data_set for k in ("ImagePositionPatient", "ImageOrientationPatient"))
    imaged = (functional_groups or placed) and has_pixels
    if never_a_slice(sop_class_uid) or (sop_class_uid not in _VOLUME_CLASSES and not imaged):
        raise NotASlice(other_kind(sop_class_uid))
    if functional_groups or (integer(data_set, "NumberOfFrames") or 1) > 1:
        raise NotASlice(_unless_localizer(data_set, UnusableReason.MULTI_FRAME_UNSUPPORTED))
    _require_matrix(data_set, has_pixels=has_pixels)


def slice_by_slice(sop_class_uid: str) -> bool:
    """Whether the frames of such an object, where each says where it is, are slices of a volume."""
    return sop_class_uid in _VOLUME_CLASSES


def require_frames(data_set: Dataset, *, has_pixels: bool) -> None:
    """Like require_slice, of an image whose frames are slices."""
    if _unless_localizer(data_set, UnusableReason.NOT_A_SLICE) is UnusableReason.LOCALIZER:
        raise NotASlice(UnusableReason.LOCALIZER)
    _require_matrix(data_set, has_pixels=has_pixels)


def _require_matrix(data_set: Dataset, *, has_pixels: bool) -> None:
    if (integer(data_set, "SamplesPerPixel") or 1) != 1:
        raise NotASlice(_unless_localizer(data_set, UnusableReason.COLOUR_IMAGE))
    if text(data_set, "PhotometricInterpretation").upper() == _PALETTE:
        raise NotASlice(_unless_localizer(data_set, UnusableReason.PALETTE_COLOUR))
    if not has_pixels:
        raise RejectInput(UnusableReason.MISSING_PIXEL_DATA)
    rows, columns = integer(data_set, "Rows") or 0, integer(data_set, "Columns") or 0
    if rows < 1 or columns < 1:
        raise RejectInput(UnusableReason.MISSING_MATRIX)
    if rows * columns > _MAX_PIXELS:
        raise RejectInput(UnusableReason.FRAME_TOO_LARGE)


def _unless_localizer(data_set: Dataset, reason: UnusableReason) -> UnusableReason:
    kinds = {value.upper() for value in texts(data_set, "ImageType")}
    return UnusableReason.LOCALIZER if "LOCALIZER" in kinds else reason


def slice_header(data_set: Dataset, instance: StoredInstance) -> SliceHeader:
    """The header but for the areas; raises RejectInput when the geometry is missing or absurd.

    The instance is named by its C-STORE command, which the journal has, also where the data set
    says otherwise.
    """
    plane = _plane(data_set)
    normal = feet_to_head(slice_normal(plane))
    offset_mm = offset_along_normal_mm(plane, normal)
    orientation, tilt = tilt_deg(plane)
    study, series = named(*uids_in(data_set), instance)
    return SliceHeader(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        modality=text(data_set, "Modality").upper(),
        rows=integer(data_set, "Rows") or 0,
        columns=integer(data_set, "Columns") or 0,
        pixel_spacing_mm=plane.pixel_spacing_mm,
        normal_lps=normal,
        offset_mm=offset_mm,
        orientation=orientation,
        tilt_deg=tilt,
        slice_thickness_mm=positive(data_set, "SliceThickness"),
        spacing_between_slices_mm=positive(data_set, "SpacingBetweenSlices"),
        image_type=tuple(value.upper() for value in texts(data_set, "ImageType")),
        body_part_examined=text(data_set, "BodyPartExamined").upper(),
        contrast=text(data_set, "ContrastBolusAgent").upper() not in _NO_AGENT | {""},
        convolution_kernel=text(data_set, "ConvolutionKernel"),
        manufacturer=text(data_set, "Manufacturer"),
        patient_age_years=age_years(text(data_set, "PatientAge")),
        accession_number=text(data_set, "AccessionNumber"),
        patient_id=text(data_set, "PatientID"),
        orientation_lps=(*plane.row_cosines, *plane.column_cosines),
        acquisition_number=_whole(data_set, "AcquisitionNumber"),
        images_in_acquisition=_whole(data_set, "ImagesInAcquisition"),
        frame_of_reference_uid=text(data_set, "FrameOfReferenceUID"),
        irradiation_event_uid=text(data_set, "IrradiationEventUID"),
        acquired_at=_acquired_at(data_set),
    )


def _acquired_at(data_set: Dataset) -> str:
    """Date and time to the second as DICOM text without an offset from UTC, empty unless both are there."""
    date, time = text(data_set, "AcquisitionDate"), text(data_set, "AcquisitionTime")
    return (text(data_set, "AcquisitionDateTime") or (date + time if date and time else ""))[:14]


def uids_in(data_set: Dataset | None) -> tuple[str, str]:
    """Study and Series Instance UID as the data set has them, empty where it is mute."""
    if data_set is None:
        return "", ""
    return text(data_set, "StudyInstanceUID"), text(data_set, "SeriesInstanceUID")


def named(study: str, series: str, instance: StoredInstance) -> tuple[StudyInstanceUID, SeriesInstanceUID]:
    """Study and series of an instance, made up from its SOP Instance UID where they are empty."""
    return (
        StudyInstanceUID(study or derived_uid("study of", instance.sop_instance_uid)),
        SeriesInstanceUID(series) if series else made_up_series(instance.sop_instance_uid),
    )


def feet_to_head(normal: Vector) -> Vector:
    """The normal or its opposite, so that offsets of axial slices grow from feet to head.

    Slices too steep for that grow to the back, and then to the left, of the patient (LPS).
    """
    deciding = next(c for c in (normal[2], normal[1], normal[0]) if abs(c) > _SIGN_FROM)
    return normal if deciding > 0 else (-normal[0], -normal[1], -normal[2])


def age_years(value: str) -> float | None:
    """VR AS (PS3.5 6.2), `045Y` or `006M`, in years; None for anything else."""
    match = _AGE.match(value)
    return int(match[1]) * _YEARS_PER[match[2]] if match else None


def _whole(data_set: Dataset, keyword: str) -> int | None:
    """Of an attribute nobody depends on: nonsense in it is as good as none."""
    try:
        return integer(data_set, keyword)
    except (TypeError, ValueError, OverflowError):
        return None


def _plane(data_set: Dataset) -> SlicePlane:
    position = _geometry(data_set, "ImagePositionPatient", 3, UnusableReason.MISSING_IMAGE_POSITION_PATIENT)
    cosines = _geometry(
        data_set, "ImageOrientationPatient", 6, UnusableReason.MISSING_IMAGE_ORIENTATION_PATIENT
    )
    spacing = _geometry(data_set, "PixelSpacing", 2, UnusableReason.MISSING_PIXEL_SPACING)
    if max(spacing) > _MAX_SPACING_MM or max(map(abs, position)) > _MAX_POSITION_MM:
        raise RejectInput(UnusableReason.BAD_GEOMETRY)
    try:
        return SlicePlane(
            image_position_lps_mm=(position[0], position[1], position[2]),
            row_cosines=(cosines[0], cosines[1], cosines[2]),
            column_cosines=(cosines[3], cosines[4], cosines[5]),
            pixel_spacing_mm=(spacing[0], spacing[1]),
        )
    except ValueError as error:
        raise RejectInput(UnusableReason.BAD_GEOMETRY) from error


def _geometry(data_set: Dataset, keyword: str, count: int, missing: UnusableReason) -> tuple[float, ...]:
    try:
        found = numbers(data_set, keyword)
    except RejectInput as error:
        raise RejectInput(UnusableReason.BAD_GEOMETRY) from error
    if not found:
        raise RejectInput(missing)
    if not all(math.isfinite(number) for number in found):
        raise RejectInput(UnusableReason.NON_FINITE_GEOMETRY)
    if len(found) != count:
        raise RejectInput(UnusableReason.BAD_GEOMETRY)
    return found
