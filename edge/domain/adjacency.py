"""When two slices are neighbours: one rule for slabs, for runs of evidence and for gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

# A neighbour farther away than this many expected steps is a missing slice, not a neighbour.
NEIGHBOUR_STEPS = 1.5
SAME_POSITION_MM = 0.05
# Thin slices far apart are a protocol of its own, up to this many times what the header promises.
_SPARSE_STEPS = 3.0


class Placed(Protocol):
    """What adjacency needs of a slice."""

    @property
    def offset_mm(self) -> float: ...
    @property
    def slice_thickness_mm(self) -> float | None: ...
    @property
    def spacing_between_slices_mm(self) -> float | None: ...


def promised_step_mm(lower: Placed, upper: Placed) -> float | None:
    """The step between two neighbours that the headers promise, or None when they promise nothing."""
    steps = [
        s for h in (lower, upper) if (s := h.spacing_between_slices_mm or h.slice_thickness_mm or 0.0) > 0
    ]
    return max(steps) if steps else None


def smallest_step_mm(slices: Sequence[Placed]) -> float | None:
    """The smallest step between slices at different places, None before there are two such steps."""
    steps = [step for a, b in pairwise(slices) if (step := b.offset_mm - a.offset_mm) > SAME_POSITION_MM]
    return min(steps) if len(steps) >= 2 else None


def neighbours(lower: Placed, upper: Placed, smallest_mm: float | None) -> bool:
    """Whether no slice is missing between the two, as far as the slices known so far can tell.

    Slices sent in shuffled order look sparse for a while: that costs an inference too many, and may page on
    a run with holes that the slices to come will not bear out.
    """
    step = upper.offset_mm - lower.offset_mm
    promised = promised_step_mm(lower, upper)
    if promised is None:
        return smallest_mm is not None and step <= NEIGHBOUR_STEPS * smallest_mm
    sparse = smallest_mm is not None and step <= min(NEIGHBOUR_STEPS * smallest_mm, _SPARSE_STEPS * promised)
    return sparse or step <= NEIGHBOUR_STEPS * promised
