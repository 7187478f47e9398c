"""The held-out series from the files that `operating_points` keeps, so that every model is asked the same.

`EDGE_HELDOUT=runs/heldout edge models evaluate MODEL --phantoms N --seed 2 --generator
model_repo.ct_head_hemorrhage.training.kept:heads`; what is not kept there yet is drawn, and then is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from model_repo.ct_head_hemorrhage.training.heldout import PIXEL_MM
from model_repo.ct_head_hemorrhage.training.operating_points import kept_series


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """As `heldout.heads`, but centred: where a head lay in the scanner is not kept."""
    folder = Path(os.environ.get("EDGE_HELDOUT", "runs/heldout"))
    for i in range(count):
        with np.load(kept_series(folder, seed, i)) as kept:
            voxels, labels = kept["hu"], kept["labels"]
            thickness, group = float(kept["thickness"]), str(kept["group"])
            truth_ml = dict(zip(BleedType, kept["truth_ml"].tolist(), strict=True))
        slices, rows, columns = voxels.shape
        scan = Acquisition(rows, columns, PIXEL_MM, slices, thickness, thickness)
        corner = -0.5 * (rows - 1) * PIXEL_MM
        positions = np.stack([np.full(slices, corner)] * 2 + [thickness * np.arange(slices)], 1)
        phantom = HeadPhantom(voxels, labels, truth_ml, positions, scan.image_orientation, scan, i)
        yield SyntheticHead(phantom, group, {})
