"""The held-out series from the files that `operating_points` keeps, so that every model is asked the same.

`EDGE_HELDOUT=runs/heldout edge models evaluate MODEL --phantoms N --seed 3 --generator
model_repo.ct_head_hemorrhage.training.kept:heads`; what is not kept there yet is drawn, and then is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from model_repo.ct_head_hemorrhage.training.operating_points import kept_series


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """As `heldout.heads`, from their files."""
    folder = Path(os.environ.get("EDGE_HELDOUT", "runs/heldout"))
    for i in range(count):
        with np.load(kept_series(folder, seed, i)) as kept:
            voxels, labels, positions = kept["hu"], kept["labels"], kept["positions"]
            thickness, pixel_mm, group = float(kept["thickness"]), float(kept["pixel_mm"]), str(kept["group"])
            truth_ml = dict(zip(BleedType, kept["truth_ml"].tolist(), strict=True))
            sides = {t: str(side) for t, side in zip(BleedType, kept["sides"], strict=True) if side}
        slices, rows, columns = voxels.shape
        scan = Acquisition(rows, columns, pixel_mm, slices, thickness, thickness)
        phantom = HeadPhantom(voxels, labels, truth_ml, positions, scan.image_orientation, scan, i)
        yield SyntheticHead(phantom, group, sides)
