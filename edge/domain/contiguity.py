"""What the geometry of the slices so far says about whether any are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from edge.domain.adjacency import NEIGHBOUR_STEPS, SAME_POSITION_MM, promised_step_mm
from edge.domain.series import SliceHeader

# Neighbouring steps that vote on what a step should be here; spacing may change along the head.
_NEIGHBOURHOOD = 4


@dataclass(frozen=True, slots=True)
class Gap:
    """A step along the slice normal that is too long for its surroundings."""

    after_mm: float
    length_mm: float
    expected_mm: float

    def __str__(self) -> str:
        return f"{self.length_mm:.1f} mm after {self.after_mm:.1f} mm, expected {self.expected_mm:.1f}"


@dataclass(frozen=True, slots=True)
class Geometry:
    """Evidence, not a verdict: the completeness table and the scope decide what follows from it."""

    slices: int
    gaps: tuple[Gap, ...]
    coverage_mm: float
    repeated_positions: int
    planes: int
    largest_area_mm2: float
    top_area_ratio: float
    cranial_ml: float = 0.0
    base_area_ratio: float = 0.0

    @property
    def contiguous(self) -> bool:
        """At least two slices of one volume with no gap between them."""
        return self.slices >= 2 and not self.gaps and self.planes == 1


def geometry_of(slices: Sequence[SliceHeader]) -> Geometry:
    """Geometry of slices ordered feet to head.

    `top_area_ratio` is the cross-section of the uppermost slice over the largest: near 1 the scan
    ends in mid-head, near 0 it ran out at the vertex. `cranial_ml` is brain that a skull was seen around;
    `base_area_ratio` is that of the lowest slice over the largest: where it is large, the scan begins in
    mid-head, and below the skull base it is 0, for no ring of bone is closed there.
    """
    steps = [b.offset_mm - a.offset_mm for a, b in pairwise(slices)]
    areas = [s.head_area_mm2 for s in slices]
    largest = max(areas, default=0.0)
    cranial = max((s.cranial_area_mm2 for s in slices), default=0.0)
    return Geometry(
        slices=len(slices),
        gaps=_gaps(slices, steps),
        coverage_mm=sum(steps),
        repeated_positions=sum(step < SAME_POSITION_MM for step in steps),
        planes=len(Counter(s.plane for s in slices)),
        largest_area_mm2=largest,
        top_area_ratio=areas[-1] / largest if largest > 0 else 1.0,
        cranial_ml=_cranial_ml(slices, steps),
        base_area_ratio=slices[0].cranial_area_mm2 / cranial if cranial > 0 else 0.0,
    )


def _cranial_ml(slices: Sequence[SliceHeader], steps: list[float]) -> float:
    """Brain between the first and the last slice, by the trapezoidal rule."""
    means = ((a.cranial_area_mm2 + b.cranial_area_mm2) / 2 for a, b in pairwise(slices))
    return sum(mean * step for mean, step in zip(means, steps, strict=True)) / 1000.0


def _gaps(slices: Sequence[SliceHeader], steps: list[float]) -> tuple[Gap, ...]:
    usual = _usual_steps(slices, steps)
    found: list[Gap] = []
    for i, step in enumerate(steps):
        first = max(0, i - _NEIGHBOURHOOD)
        nearby = steps[first:i] + steps[i + 1 : i + _NEIGHBOURHOOD + 1]
        around = [s for s in nearby if s > SAME_POSITION_MM]
        pair = _thicknesses(slices, i)
        seen = max(median(around), *(usual.get(t, 0.0) for t in pair)) if around else None
        promised = promised_step_mm(slices[i], slices[i + 1])
        expected = min(e for e in (seen, promised, step) if e is not None)
        if step > NEIGHBOUR_STEPS * expected:
            found.append(Gap(slices[i].offset_mm, step, expected))
    return tuple(found)


def _thicknesses(slices: Sequence[SliceHeader], i: int) -> tuple[float | None, float | None]:
    return (slices[i].slice_thickness_mm, slices[i + 1].slice_thickness_mm)


def _usual_steps(slices: Sequence[SliceHeader], steps: list[float]) -> dict[float | None, float]:
    """The median step between slices of equal thickness, for every thickness with three such steps.

    At a change of spacing (4 mm slices below, 7 mm above) the surroundings alone would mislead; with
    fewer than three steps one gap could be the median itself.
    """
    alike: dict[float | None, list[float]] = {}
    for i, step in enumerate(steps):
        lower, upper = _thicknesses(slices, i)
        if lower == upper and step > SAME_POSITION_MM:
            alike.setdefault(lower, []).append(step)
    return {t: median(found) for t, found in alike.items() if len(found) >= 3}
