"""1,500 thin slices: one more costs the same however many there are. Lines are counted, not time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from edge.domain.case import SeriesCase
from edge.domain.identity import AssociationId
from edge.domain.series import SeriesInProgress, SliceHeader
from tests.builders import ANY_HEAD_CT, SERIES, header

A = AssociationId("a")
FEW, MANY = 100, 1500


def lines_of(work: Callable[[], object]) -> int:
    """Lines of Python that run in the core; copies that the interpreter makes in C are not among them."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if "/edge/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def thin(index: int) -> SliceHeader:
    return header(index, step_mm=0.6, slice_thickness_mm=0.6)


def after(case: SeriesCase, index: int) -> SeriesCase:
    """One more slice, and the slabs that it completes."""
    case = case.slice_arrived(thin(index), A, index, index / 10)
    case.progress.slabs(3, closed=False, near=case.progress.latest)
    return case


@pytest.mark.parametrize("order", ["feet_first", "head_first", "middle_last"])
def test_a_slice_costs_the_same_however_many_there_are(order: str) -> None:
    def cost(slices: int) -> int:
        places = list(range(slices))
        if order == "head_first":
            places.reverse()
        elif order == "middle_last":
            places = [*places[: slices // 2], *places[slices // 2 + 1 :], slices // 2]
        case = SeriesCase(SeriesInProgress(SERIES), ANY_HEAD_CT)
        for index in places[:-1]:
            case = case.slice_arrived(thin(index), A, index, index / 10)
        return lines_of(lambda: after(case, places[-1]))

    few, many = cost(FEW), cost(MANY)
    assert few > 20
    assert many <= few + 40, "the search for its place takes a few steps more, nothing else may"
