from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.contiguity import geometry_of
from tests.builders import header


def test_uniform_slices_have_no_gap() -> None:
    assert geometry_of([header(i) for i in range(30)]).contiguous


@given(st.integers(1, 28))
def test_one_slice_removed_from_the_middle_is_a_named_gap(missing: int) -> None:
    geometry = geometry_of([header(i) for i in range(30) if i != missing])
    assert [g.length_mm for g in geometry.gaps] == [10.0]
    assert not geometry.contiguous


def test_a_change_of_spacing_along_the_head_is_no_gap() -> None:
    """4 mm slices, an overlap of 1.08 mm, then 7 mm slices, as a real scanner sends them."""
    below = [header(i, offset_mm=4.0 * i, slice_thickness_mm=4.0) for i in range(14)]
    above = [header(14 + i, offset_mm=53.08 + 7.0 * i, slice_thickness_mm=7.0) for i in range(14)]
    assert geometry_of(below + above).gaps == ()


@pytest.mark.parametrize("missing", [*range(1, 13), *range(15, 27)])
def test_a_slice_missing_beside_a_change_of_spacing_is_still_seen(missing: int) -> None:
    below = [header(i, offset_mm=4.0 * i, slice_thickness_mm=4.0) for i in range(14)]
    above = [header(14 + i, offset_mm=53.08 + 7.0 * i, slice_thickness_mm=7.0) for i in range(14)]
    both = below + above
    del both[missing]
    assert len(geometry_of(both).gaps) == 1


def test_two_slices_at_one_place_are_counted() -> None:
    geometry = geometry_of([header(0), header(1), header(2, offset_mm=5.0), header(3, offset_mm=10.0)])
    assert geometry.repeated_positions == 1


def test_a_scan_that_ends_in_mid_head_keeps_its_largest_cross_section_on_top() -> None:
    assert geometry_of([header(i) for i in range(33)]).top_area_ratio < 0.3
    assert geometry_of([header(i) for i in range(10)]).top_area_ratio > 0.7


def test_no_slices_are_no_evidence() -> None:
    assert not geometry_of([]).contiguous
    assert not geometry_of([header(0)]).contiguous
