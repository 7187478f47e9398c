"""A generator for `edge models evaluate` that is done in seconds: half the rows, thick slices."""

from __future__ import annotations

from collections.abc import Iterator

from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom

SCAN = Acquisition(
    rows=256, columns=256, pixel_spacing_mm=0.9, slices=26, spacing_mm=5.5, slice_thickness_mm=5.5
)


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """Turn by turn 30 mL in the left hemisphere, and nothing."""
    for i in range(count):
        if i % 2:
            yield SyntheticHead(head_phantom(seed + i // 2, acquisition=SCAN), "no blood", {})
        else:
            bleed = Bleed(BleedType.INTRAPARENCHYMAL, 30.0, side="left")
            phantom = head_phantom(seed + i // 2, bleeds=[bleed], acquisition=SCAN)
            yield SyntheticHead(phantom, "intraparenchymal", {bleed.type: bleed.side})
