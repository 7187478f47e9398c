"""A series while it arrives: slices in anatomical order and the slabs that can be inferred already."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

from edge.domain.adjacency import neighbours, smallest_step_mm
from edge.domain.frame import Concatenation
from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID
from edge.domain.unusable import UnusableReason

Vector = tuple[float, float, float]
Orientation = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """What is known of one slice without its pixels.

    `orientation_lps` is ImageOrientationPatient, row cosines before column cosines (PS3.3 C.7.6.2).
    A frame of a multi-frame instance goes by `frame.frame_name` where others go by SOP Instance UID;
    `number_of_frames` is then what its instance has, and 0 for an instance that is one slice.
    `offset_mm` is the position along the slice normal in LPS; `pixel_spacing_mm` is (row, column)
    as in PixelSpacing. Measured from the pixels: `head_area_mm2` is the patient's cross-section,
    `cranial_area_mm2` that of the brain in its skull.
    `acquired_at` is the date-time of acquisition as DICOM text.
    """

    study_instance_uid: StudyInstanceUID
    series_instance_uid: SeriesInstanceUID
    sop_instance_uid: SopInstanceUID
    sop_class_uid: str
    modality: str
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float]
    normal_lps: Vector
    offset_mm: float
    orientation: Orientation
    tilt_deg: float
    slice_thickness_mm: float | None = None
    spacing_between_slices_mm: float | None = None
    image_type: tuple[str, ...] = ()
    body_part_examined: str = ""
    contrast: bool = False
    convolution_kernel: str = ""
    manufacturer: str = ""
    patient_age_years: float | None = None
    head_area_mm2: float = 0.0
    cranial_area_mm2: float = 0.0
    accession_number: str = field(default="", repr=False)
    orientation_lps: tuple[float, float, float, float, float, float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    acquisition_number: int | None = None
    images_in_acquisition: int | None = None
    number_of_frames: int = 0
    concatenation: Concatenation | None = None
    frame_of_reference_uid: str = ""
    irradiation_event_uid: str = ""
    acquired_at: str = ""
    patient_id: str = field(default="", repr=False)

    @property
    def plane(self) -> tuple[object, ...]:
        """Slices of one volume share this; a localizer in the same series does not."""
        return (self.rows, self.columns, tuple(round(c, 2) for c in self.normal_lps))


@dataclass(frozen=True, slots=True)
class UnusableInstance:
    """A stored instance that is no slice; `unreadable` means damaged, else it is just another kind.

    `series_instance_uid` is made up from the SOP Instance UID when the file does not even tell that,
    so that every instance belongs to a series and every series ends in an outcome; `series_known` is
    False then, and the instance may belong to any series of its association.
    """

    study_instance_uid: StudyInstanceUID
    series_instance_uid: SeriesInstanceUID
    sop_instance_uid: SopInstanceUID
    reason: UnusableReason
    unreadable: bool
    series_known: bool = True


@dataclass(frozen=True, slots=True)
class Slab:
    """`depth` neighbouring slices around `centre`, feet to head, edge slices repeated at the ends."""

    centre: SopInstanceUID
    slices: tuple[SopInstanceUID, ...]


@dataclass(frozen=True)
class SeriesInProgress:
    """Slices of one series ordered by `offset_mm`, whatever order they came in."""

    series_instance_uid: SeriesInstanceUID
    slices: tuple[SliceHeader, ...] = ()

    def add(self, header: SliceHeader) -> SeriesInProgress:
        """The series with `header` in its place; the same SOP Instance UID twice changes nothing."""
        if header in self:
            return self
        ordered = list(self.slices)
        insort(ordered, header, key=_place)
        return replace(self, slices=tuple(ordered))

    def __contains__(self, header: SliceHeader) -> bool:
        return header.sop_instance_uid in self._uids

    @cached_property
    def _uids(self) -> frozenset[SopInstanceUID]:
        return frozenset(s.sop_instance_uid for s in self.slices)

    @cached_property
    def volume(self) -> tuple[SliceHeader, ...]:
        """The slices of the commonest plane; a stranger of other size or direction is not among them."""
        planes = Counter(s.plane for s in self.slices)
        commonest = max(planes, key=lambda p: planes[p], default=None)
        return tuple(s for s in self.slices if s.plane == commonest)

    def slabs(self, depth: int, *, closed: bool, near: SopInstanceUID | None = None) -> tuple[Slab, ...]:
        """Slabs whose neighbours are known; with `closed` every slice has one, ends repeated.

        `near` asks only for those that this slice can have changed.
        """
        half, last = depth // 2, len(self.volume) - 1
        first, end = self._window(near, half)
        smallest = smallest_step_mm(self.volume[max(0, first - half) : end + half])
        found: list[Slab] = []
        for i in range(first, end):
            around = self.volume[max(0, i - half) : i + half + 1]
            known = len(around) == 2 * half + 1 and all(
                neighbours(a, b, smallest) for a, b in pairwise(around)
            )
            if closed or known:
                places = [min(max(j, 0), last) for j in range(i - half, i + half + 1)]
                uids = tuple(self.volume[j].sop_instance_uid for j in places)
                found.append(Slab(self.volume[i].sop_instance_uid, uids))
        return tuple(found)

    def _window(self, near: SopInstanceUID | None, half: int) -> tuple[int, int]:
        if near is None:
            return 0, len(self.volume)
        place = next((i for i, s in enumerate(self.volume) if s.sop_instance_uid == near), None)
        return (0, 0) if place is None else (max(0, place - half), min(len(self.volume), place + half + 1))


def _place(header: SliceHeader) -> tuple[float, str]:
    return (header.offset_mm, header.sop_instance_uid)
