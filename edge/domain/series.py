"""A series while it arrives: slices in anatomical order and the slabs that can be inferred already."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
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
    latest: SliceHeader | None = field(default=None, compare=False)
    _uids: frozenset[SopInstanceUID] = field(default=frozenset(), compare=False)
    _planes: Mapping[tuple[object, ...], tuple[SliceHeader, ...]] = field(
        default_factory=dict[tuple[object, ...], tuple[SliceHeader, ...]], compare=False
    )

    def __post_init__(self) -> None:
        if len(self._uids) != len(self.slices):
            raise ValueError("slices are added one by one, so that each is in its plane")

    def add(self, header: SliceHeader) -> SeriesInProgress:
        """The series with `header` in its place; the same SOP Instance UID twice changes nothing."""
        if header in self:
            return self
        # Nothing here looks at every slice but to copy it: a thin series has 1,500.
        of_plane = _with(self._planes.get(header.plane, ()), header)
        return replace(
            self,
            slices=_with(self.slices, header),
            latest=header,
            _uids=self._uids | {header.sop_instance_uid},
            _planes={**self._planes, header.plane: of_plane},
        )

    def __contains__(self, header: SliceHeader) -> bool:
        return header.sop_instance_uid in self._uids

    @cached_property
    def volume(self) -> tuple[SliceHeader, ...]:
        """The slices of the commonest plane; a stranger of other size or direction is not among them.

        Of two that are as common the one that begins lower, whatever came first.
        """
        lowest_first = sorted(self._planes.values(), key=lambda alike: _place(alike[0]))
        return max(lowest_first, key=len, default=())

    def slabs(self, depth: int, *, closed: bool, near: SliceHeader | None = None) -> tuple[Slab, ...]:
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

    def _window(self, near: SliceHeader | None, half: int) -> tuple[int, int]:
        count = len(self.volume)
        if near is None:
            return 0, count
        place = bisect_left(self.volume, _place(near), key=_place)
        here = place < count and self.volume[place].sop_instance_uid == near.sop_instance_uid
        return (max(0, place - half), min(count, place + half + 1)) if here else (0, 0)


def _with(slices: tuple[SliceHeader, ...], header: SliceHeader) -> tuple[SliceHeader, ...]:
    place = bisect_left(slices, _place(header), key=_place)
    return (*slices[:place], header, *slices[place:])


def _place(header: SliceHeader) -> tuple[float, str]:
    return (header.offset_mm, header.sop_instance_uid)
