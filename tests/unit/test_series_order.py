from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.domain.series import SeriesInProgress, SliceHeader
from tests.builders import SERIES, header, uid

WHOLE = [header(i) for i in range(12)]


def arrived(headers: list[SliceHeader]) -> SeriesInProgress:
    series = SeriesInProgress(SERIES)
    for one in headers:
        series = series.add(one)
    return series


@given(st.permutations(WHOLE), st.lists(st.sampled_from(WHOLE), max_size=5))
def test_any_order_with_any_duplicates_gives_the_same_series(
    order: list[SliceHeader], again: list[SliceHeader]
) -> None:
    assert arrived(order + again) == arrived(WHOLE)


@given(st.permutations(WHOLE))
def test_streamed_slabs_end_as_the_slabs_of_the_closed_series(order: list[SliceHeader]) -> None:
    series, seen = SeriesInProgress(SERIES), set()
    for one in order:
        series = series.add(one)
        seen |= set(series.slabs(3, closed=False))
    inner = [s for s in series.slabs(3, closed=True) if len(set(s.slices)) == 3]
    assert set(inner) <= seen


def test_a_slab_waits_for_both_neighbours() -> None:
    series = arrived([header(0), header(1)])
    assert series.slabs(3, closed=False) == ()
    assert [s.centre for s in series.add(header(2)).slabs(3, closed=False)] == [uid(1)]


def test_a_slice_beyond_a_gap_is_no_neighbour() -> None:
    series = arrived([header(0), header(1), header(3)])
    assert series.slabs(3, closed=False) == ()


def test_ends_repeat_their_own_slice_once_the_series_is_closed() -> None:
    slabs = arrived([header(0), header(1), header(2)]).slabs(3, closed=True)
    assert slabs[0].slices == (uid(0), uid(0), uid(1))
    assert slabs[-1].slices == (uid(1), uid(2), uid(2))


def test_slices_that_promise_no_spacing_are_neighbours_by_the_smallest_step_seen() -> None:
    bare = [header(i, slice_thickness_mm=None) for i in (0, 1, 2, 4)]
    assert [s.centre for s in arrived(bare).slabs(3, closed=False)] == [uid(1)]


@given(st.permutations(WHOLE))
def test_the_slabs_near_each_arrival_are_all_there_are_in_the_end(order: list[SliceHeader]) -> None:
    series = SeriesInProgress(SERIES)
    wanted = {}
    for one in order:
        series = series.add(one)
        wanted |= {s.centre: s for s in series.slabs(3, closed=False, near=one)}
    wanted |= {s.centre: s for s in series.slabs(3, closed=True)}
    assert set(wanted.values()) == set(arrived(WHOLE).slabs(3, closed=True))


def test_thin_slices_far_apart_are_neighbours_once_the_spacing_shows() -> None:
    sparse = [header(i, offset_mm=5.0 * i, slice_thickness_mm=2.5) for i in range(5)]
    assert [s.centre for s in arrived(sparse).slabs(3, closed=False)] == [uid(1), uid(2), uid(3)]
