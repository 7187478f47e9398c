"""Slice placement in LPS, against numbers worked out by hand or by numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.imaging.geometry import (
    SlicePlane,
    affine_lps,
    offset_along_normal_mm,
    slice_normal,
    tilt_deg,
)


def tilted(angle_deg: float, z: float = 0.0) -> SlicePlane:
    a = math.radians(angle_deg)
    return SlicePlane((-100.0, -90.0, z), (1.0, 0.0, 0.0), (0.0, math.cos(a), -math.sin(a)), (0.5, 0.4))


def test_the_normal_of_an_axial_slice_points_to_the_head() -> None:
    assert slice_normal(tilted(0.0)) == (0.0, 0.0, 1.0)
    assert tilt_deg(tilted(0.0)) == ("axial", 0.0)


@given(st.floats(-44.0, 44.0))
def test_gantry_tilt_is_the_angle_to_the_patient_axis(angle: float) -> None:
    orientation, tilt = tilt_deg(tilted(angle))
    assert orientation == "axial"
    assert tilt == pytest.approx(abs(angle), abs=1e-6)


def test_orientation_names_the_nearest_plane() -> None:
    coronal = SlicePlane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (1.0, 1.0))
    sagittal = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 1.0))
    assert tilt_deg(coronal).orientation == "coronal"
    assert tilt_deg(sagittal).orientation == "sagittal"


def test_the_step_along_the_normal_is_shorter_than_the_table_step_when_tilted() -> None:
    low, high = tilted(18.5, 10.0), tilted(18.5, 14.0)
    normal = slice_normal(low)
    step = offset_along_normal_mm(high, normal) - offset_along_normal_mm(low, normal)
    assert step == pytest.approx(4.0 * math.cos(math.radians(18.5)))


def test_the_affine_places_the_last_voxel_of_a_sheared_stack() -> None:
    planes = [tilted(18.5, z) for z in (0.0, 4.0, 8.0)]
    placed = np.array(affine_lps(planes)) @ (2, 10, 20, 1)
    expected = (
        np.array(planes[2].image_position_lps_mm)
        + 10 * 0.5 * np.array(planes[2].column_cosines)
        + 20 * 0.4 * np.array(planes[2].row_cosines)
    )
    assert placed[:3] == pytest.approx(expected)
    assert placed[3] == 1


def test_the_affine_of_one_slice_steps_one_millimetre_along_its_normal() -> None:
    matrix = np.array(affine_lps([tilted(30.0)]))
    assert matrix[:3, 0] == pytest.approx(slice_normal(tilted(30.0)))


def test_an_affine_needs_parallel_slices_and_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        affine_lps([])
    with pytest.raises(ValueError, match="differ in orientation"):
        affine_lps([tilted(0.0), tilted(5.0)])


@pytest.mark.parametrize(
    ("row", "column", "spacing", "says"),
    [
        ((1.0, 0.0, 0.0), (0.0, 1.01, 0.0), (1.0, 1.0), "column cosines have length"),
        ((0.99, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), "row cosines have length"),
        ((1.0, 0.0, 0.0), (0.1, math.sqrt(0.99), 0.0), (1.0, 1.0), "not orthogonal"),
        ((math.nan, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), "finite"),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (math.inf, 1.0), "finite"),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0), "positive"),
    ],
)
def test_impossible_geometry_is_refused_with_its_reason(
    row: tuple[float, float, float],
    column: tuple[float, float, float],
    spacing: tuple[float, float],
    says: str,
) -> None:
    with pytest.raises(ValueError, match=says):
        SlicePlane((0.0, 0.0, 0.0), row, column, spacing)


def test_cosines_rounded_by_a_scanner_are_accepted() -> None:
    plane = SlicePlane((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.948, -0.317), (0.5, 0.5))
    assert tilt_deg(plane).tilt_deg == pytest.approx(18.49, abs=0.02)
    assert math.hypot(*slice_normal(plane)) == pytest.approx(1.0)
