"""Which of several reconstructions speaks for an acquisition: the pure choice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.identity import SeriesInstanceUID
from edge.domain.reconstruction import (
    Acquisition,
    Choice,
    Reason,
    Reconstruction,
    Standing,
    acquisition_of,
    choose,
    rank,
)
from tests.builders import ANY_HEAD_CT, header

RAYS = Acquisition("1.9", frozenset(), frozenset({2}), "20240501030000", "20240501030010", (0.0, 150.0))


def one(
    name: str, order: float = 0.0, standing: Standing = Standing.UNDER_WAY, **more: object
) -> Reconstruction:
    rays = replace(RAYS, **more)  # type: ignore[arg-type]
    return Reconstruction(SeriesInstanceUID(name), f"t{name}", rays, (order,), standing)


@pytest.mark.parametrize("standing", Standing)
def test_a_test_and_what_is_none_never_speak_for_one_another(standing: Standing) -> None:
    mine, drill = one("1.1", order=1.0), replace(one("1.2", standing=standing), test=True)
    assert choose(mine, [drill], speaks_up=False) is None
    assert choose(replace(mine, test=True), [replace(drill, test=False)], speaks_up=False) is None
    assert choose(replace(mine, test=True), [drill], speaks_up=False) is not None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"extent_mm": (-2.0, 149.0)}, True),
        ({"extent_mm": (100.0, 160.0)}, True),
        ({"extent_mm": (140.0, 300.0)}, False),
        ({"frame_of_reference": ""}, False),
        ({"frame_of_reference": "1.8"}, False),
        ({"numbers": frozenset({3})}, False),
        ({"numbers": frozenset[int]()}, True),
        ({"began": "20240501030500", "ended": "20240501030510"}, False),
        ({"began": "", "ended": ""}, True),
        ({"numbers": frozenset[int](), "began": "", "ended": ""}, False),
    ],
)
def test_the_same_rays_are_told_by_space_place_and_what_names_them(
    change: dict[str, object], same: bool
) -> None:
    other = replace(RAYS, **change)  # type: ignore[arg-type]
    assert RAYS.same_as(other) is same
    assert other.same_as(RAYS) is same


def test_an_irradiation_event_goes_before_a_number() -> None:
    named = replace(RAYS, events=frozenset({"1.7.1", "1.7.2"}))
    assert named.same_as(replace(named, events=frozenset({"1.7.2"}), numbers=frozenset({9})))
    assert not named.same_as(replace(named, events=frozenset({"1.7.3"})))


def test_an_acquisition_is_read_off_its_slices() -> None:
    slices = [
        header(
            i,
            frame_of_reference_uid="1.9",
            irradiation_event_uid="1.7",
            acquisition_number=i // 10,
            acquired_at=f"202405010300{i:02d}",
        )
        for i in range(30)
    ]
    made_from = acquisition_of(slices)
    assert made_from == Acquisition(
        "1.9", frozenset({"1.7"}), frozenset({0, 1, 2}), "20240501030000", "20240501030029", (0.0, 145.0)
    )
    assert acquisition_of([]) is None


def test_the_softer_kernel_goes_first_then_the_thickness_that_the_model_prefers() -> None:
    scope = replace(ANY_HEAD_CT, preferred_thickness_mm=(2.5, 6.0))
    made = [
        {"convolution_kernel": "STANDARD", "slice_thickness_mm": 5.0},
        {"convolution_kernel": "STANDARD", "slice_thickness_mm": 1.25},
        {"convolution_kernel": "STANDARD", "slice_thickness_mm": 0.625},
        {"convolution_kernel": "", "slice_thickness_mm": 5.0},
        {"convolution_kernel": "DETAIL", "slice_thickness_mm": 5.0},
        {"convolution_kernel": "XYZ 7", "slice_thickness_mm": 5.0},
    ]
    ranks = [rank(header(0, manufacturer="GE MEDICAL SYSTEMS", **values), scope) for values in made]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("others", "speaks_up", "choice"),
    [
        ([], False, None),
        ([one("2", numbers=frozenset({7}))], False, None),
        ([one("2", 2)], False, Choice("t1", Reason.PREFERRED, ("t2",))),
        ([one("2", 0)], False, Choice("t2", Reason.PREFERRED, ("t1",))),
        ([one("2", 0)], True, Choice("t1", Reason.FINDING, ("t2",))),
        ([one("2", 2, Standing.WHOLE)], False, Choice("t2", Reason.FIRST_WHOLE, ("t1",))),
        ([one("2", 2, Standing.WHOLE)], True, Choice("t1", Reason.FINDING, ("t2",))),
        ([one("2", 0, Standing.OUT)], False, Choice("t1", Reason.ONLY, ("t2",))),
        (
            [one("2", 0, Standing.WHOLE), one("3", 2, Standing.FOUND)],
            False,
            Choice("t3", Reason.FINDING, ("t1", "t2")),
        ),
    ],
)
def test_the_choice(others: list[Reconstruction], speaks_up: bool, choice: Choice | None) -> None:
    assert choose(one("1", 1), others, speaks_up=speaks_up) == choice


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(Standing)), min_size=2, max_size=5))
def test_never_do_all_of_them_give_way(made: list[tuple[int, Standing]]) -> None:
    """Whatever the others say, one that counts is left: under way and best, or said already."""
    all_of_them = [one(str(i), order, standing) for i, (order, standing) in enumerate(made)]
    coming = [r for r in all_of_them if r.standing is Standing.UNDER_WAY]
    kept = [
        r
        for r in coming
        if (c := choose(r, [o for o in all_of_them if o is not r], speaks_up=False)) is None
        or c.series_token == r.series_token
    ]
    said = [r for r in all_of_them if r.standing in (Standing.FOUND, Standing.WHOLE)]
    assert not coming or said or len(kept) == 1
