"""Where slices lie in the patient: DICOM LPS coordinates in millimetres (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.domain.series import Orientation, Vector

Row = tuple[float, float, float, float]
Affine = tuple[Row, Row, Row, Row]

COSINE_TOLERANCE = 1e-3
_AXIS_OF: tuple[Orientation, Orientation, Orientation] = ("sagittal", "coronal", "axial")


class Tilt(NamedTuple):
    """The patient axis nearest to the slice normal and the angle between the two, 0 to 54.7 degrees."""

    orientation: Orientation
    tilt_deg: float


@dataclass(frozen=True, slots=True)
class SlicePlane:
    """Position and orientation of one slice.

    `image_position_lps_mm` is the centre of the first voxel, `row_cosines` the direction of a growing
    column index and `column_cosines` of a growing row index; `pixel_spacing_mm` is (row, column).
    Raises ValueError for non-finite numbers, cosines that are not unit or not orthogonal within
    1e-3, and spacing that is not positive.
    """

    image_position_lps_mm: Vector
    row_cosines: Vector
    column_cosines: Vector
    pixel_spacing_mm: tuple[float, float]

    def __post_init__(self) -> None:
        numbers = (
            *self.image_position_lps_mm,
            *self.row_cosines,
            *self.column_cosines,
            *self.pixel_spacing_mm,
        )
        if len(numbers) != 11 or not all(math.isfinite(n) for n in numbers):
            raise ValueError("slice geometry needs 3 + 3 + 3 + 2 finite numbers")
        for name, cosines in (("row", self.row_cosines), ("column", self.column_cosines)):
            length = math.hypot(*cosines)
            if abs(length - 1.0) > COSINE_TOLERANCE:
                raise ValueError(f"{name} cosines have length {length:.4f}, not 1")
        slant = dot(self.row_cosines, self.column_cosines)
        if abs(slant) > COSINE_TOLERANCE:
            raise ValueError(f"row and column cosines are not orthogonal, their product is {slant:.4f}")
        if min(self.pixel_spacing_mm) <= 0:
            raise ValueError(f"pixel spacing must be positive, not {self.pixel_spacing_mm}")


def dot(a: Vector, b: Vector) -> float:
    """The scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """The right-handed vector product."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def slice_normal(plane: SlicePlane) -> Vector:
    """The unit vector rows x columns; for an ordinary axial slice it points to the head."""
    normal = cross(plane.row_cosines, plane.column_cosines)
    length = math.hypot(*normal)
    return (normal[0] / length, normal[1] / length, normal[2] / length)


def offset_along_normal_mm(plane: SlicePlane, reference_normal: Vector) -> float:
    """How far along `reference_normal` the slice lies; what slices are ordered by."""
    return dot(plane.image_position_lps_mm, reference_normal)


def tilt_deg(plane: SlicePlane) -> Tilt:
    """The angle between slice normal and nearest patient axis, and which plane that makes it."""
    sizes = [abs(component) for component in slice_normal(plane)]
    axis = max(range(3), key=lambda i: sizes[i])
    across = math.hypot(*(sizes[i] for i in range(3) if i != axis))
    return Tilt(_AXIS_OF[axis], math.degrees(math.atan2(across, sizes[axis])))


def affine_lps(planes: Sequence[SlicePlane]) -> Affine:
    """The matrix from (slice, row, column, 1) to LPS mm, of parallel slices in the order given.

    The slice step is the mean from first to last, so a sheared stack (gantry tilt) stays sheared.
    Raises ValueError for no slices, and for slices that differ in orientation or pixel spacing.
    """
    if not planes:
        raise ValueError("an affine needs at least one slice")
    first, last = planes[0], planes[-1]
    for plane in planes[1:]:
        if not _parallel(first, plane):
            raise ValueError("slices differ in orientation or pixel spacing")
    if len(planes) == 1:
        step = slice_normal(first)
    else:
        step = tuple(
            (b - a) / (len(planes) - 1)
            for a, b in zip(first.image_position_lps_mm, last.image_position_lps_mm, strict=True)
        )
    between_rows, between_columns = first.pixel_spacing_mm
    rows = [
        (
            step[i],
            first.column_cosines[i] * between_rows,
            first.row_cosines[i] * between_columns,
            first.image_position_lps_mm[i],
        )
        for i in range(3)
    ]
    return (rows[0], rows[1], rows[2], (0.0, 0.0, 0.0, 1.0))


def _parallel(a: SlicePlane, b: SlicePlane) -> bool:
    pairs = (
        (a.row_cosines, b.row_cosines),
        (a.column_cosines, b.column_cosines),
        (a.pixel_spacing_mm, b.pixel_spacing_mm),
    )
    return all(
        abs(p - q) <= COSINE_TOLERANCE for left, right in pairs for p, q in zip(left, right, strict=True)
    )
