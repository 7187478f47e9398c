"""A series while it arrives: slices in anatomical order and the slabs that can be inferred already."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from edge.domain.identity import SeriesInstanceUID, SopInstanceUID, StudyInstanceUID

Vector = tuple[float, float, float]
Orientation = Literal["axial", "coronal", "sagittal"]

# A neighbour farther away than this many expected steps is a missing slice, not a neighbour.
NEIGHBOUR_STEPS = 1.5
SAME_POSITION_MM = 0.05


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """What is known of one slice without its pixels.

    `offset_mm` is the position along the slice normal in LPS; `pixel_spacing_mm` is (row, column)
    as in PixelSpacing; `head_area_mm2` is the patient's cross-section, measured from the pixels.
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
    accession_number: str = field(default="", repr=False)

    @property
    def plane(self) -> tuple[object, ...]:
        """Slices of one volume share this; a localizer in the same series does not."""
        return (self.rows, self.columns, tuple(round(c, 2) for c in self.normal_lps))


@dataclass(frozen=True, slots=True)
class UnusableInstance:
    """A stored instance that is no slice; `unreadable` means damaged, else it is just another kind.

    `series_instance_uid` is made up from the SOP Instance UID when the file does not even tell that,
    so that every instance belongs to a series and every series ends in an outcome.
    """

    study_instance_uid: StudyInstanceUID
    series_instance_uid: SeriesInstanceUID
    sop_instance_uid: SopInstanceUID
    reason: str
    unreadable: bool


@dataclass(frozen=True, slots=True)
class Slab:
    """`depth` neighbouring slices around `centre`, feet to head, edge slices repeated at the ends."""

    centre: SopInstanceUID
    slices: tuple[SopInstanceUID, ...]


def expected_step_mm(lower: SliceHeader, upper: SliceHeader) -> float | None:
    """The step between two neighbours that the headers promise, or None when they promise nothing."""
    steps = [
        s for h in (lower, upper) if (s := h.spacing_between_slices_mm or h.slice_thickness_mm or 0.0) > 0
    ]
    return max(steps) if steps else None


@dataclass(frozen=True)
class SeriesInProgress:
    """Slices of one series ordered by `offset_mm`, whatever order they came in."""

    series_instance_uid: SeriesInstanceUID
    slices: tuple[SliceHeader, ...] = ()

    def add(self, header: SliceHeader) -> SeriesInProgress:
        """The series with `header` in its place; the same SOP Instance UID twice changes nothing."""
        if any(s.sop_instance_uid == header.sop_instance_uid for s in self.slices):
            return self
        ordered = list(self.slices)
        insort(ordered, header, key=_place)
        return replace(self, slices=tuple(ordered))

    def slabs(self, depth: int, *, closed: bool) -> tuple[Slab, ...]:
        """Slabs whose neighbours are known; with `closed` every slice has one, ends repeated."""
        half = depth // 2
        last = len(self.slices) - 1
        smallest = self._smallest_step_mm()
        adjacent = [self._adjacent(i, smallest) for i in range(last)]
        found: list[Slab] = []
        for i, header in enumerate(self.slices):
            if not closed and (i < half or i > last - half or not all(adjacent[i - half : i + half])):
                continue
            window = [min(max(j, 0), last) for j in range(i - half, i + half + 1)]
            uids = tuple(self.slices[j].sop_instance_uid for j in window)
            found.append(Slab(header.sop_instance_uid, uids))
        return tuple(found)

    def _smallest_step_mm(self) -> float | None:
        steps = [b.offset_mm - a.offset_mm for a, b in pairwise(self.slices)]
        real = [s for s in steps if s > SAME_POSITION_MM]
        return min(real) if len(real) >= 2 else None

    def _adjacent(self, i: int, smallest_mm: float | None) -> bool:
        lower, upper = self.slices[i], self.slices[i + 1]
        promised = expected_step_mm(lower, upper) or smallest_mm
        return promised is not None and upper.offset_mm - lower.offset_mm <= NEIGHBOUR_STEPS * promised


def _place(header: SliceHeader) -> tuple[float, str]:
    return (header.offset_mm, header.sop_instance_uid)
