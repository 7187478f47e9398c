"""What one more slice costs the agent's own Python, and whether that grows with the slices that are there.

Headers and evidence without pixels, so decoding, transport and inference are not in it: they cost the same
for every slice. No finding, which is the case that looks longest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edge.domain.case import SeriesCase
from edge.domain.identity import AssociationId
from edge.domain.series import SeriesInProgress
from edge.domain.triage import preliminary
from tests.builders import ANY_HEAD_CT, BLEED, SERIES, evidence, header


@dataclass(frozen=True, slots=True)
class Extent:
    """Series of so many slices, each of them so often."""

    slices: tuple[int, ...]
    rounds: int


SHORT, LONG = Extent((100, 600, 1500), 1), Extent((100, 600, 1500), 5)
_THICKNESS_MM = 0.6
_ASSOCIATION = AssociationId("bench")


def run(folder: Path, extent: Extent, say: Callable[[str], None]) -> dict[str, Any]:
    """Median milliseconds of CPU a slice by number of slices, and of one look at all evidence at the end."""
    found: dict[str, Any] = {}
    for slices in extent.slices:
        measured = [_series(slices) for _ in range(extent.rounds)]
        found[str(slices)] = {
            "slice_ms": median(m[0] for m in measured),
            "look_ms": median(m[1] for m in measured),
        }
        say(f"{slices} slices: {found[str(slices)]['slice_ms']:.3f} ms of CPU a slice")
    return found


def table(results: dict[str, Any]) -> str:
    """For the README."""
    rows = [
        f"| {slices} | {float(r['slice_ms']):.3f} | {float(r['look_ms']):.2f} |"
        for slices, r in results.items()
    ]
    heads = ["| slices of 0.6 mm | ms of CPU a slice | ms for one look at all evidence |", "|---:|---:|---:|"]
    return "\n".join([*heads, *rows])


def _series(slices: int) -> tuple[float, float]:
    headers = [header(i, step_mm=_THICKNESS_MM, slice_thickness_mm=_THICKNESS_MM) for i in range(slices)]
    case = SeriesCase(SeriesInProgress(SERIES), ANY_HEAD_CT)
    began = time.process_time()
    for i, one in enumerate(headers):
        case = case.slice_arrived(one, _ASSOCIATION, i, i / 10)
        case.progress.slabs(3, closed=False, near=case.progress.latest)
    spent = time.process_time() - began
    said = {one.sop_instance_uid: evidence(i, 0.05) for i, one in enumerate(headers)}
    began = time.process_time()
    preliminary([BLEED], case.progress.volume, said)
    return 1000 * spent / slices, 1000 * (time.process_time() - began)
