"""The held-out series as files, so that every model is asked about the same ones.

`EDGE_HELDOUT=runs/heldout edge models evaluate MODEL --phantoms N --seed 5 --generator
model_repo.ct_head_hemorrhage.training.kept:heads`; what is not kept there yet is drawn, and then is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from model_repo.ct_head_hemorrhage.training.heldout import average_head, generator_digest, series


def path_of(folder: Path, seed: int, i: int) -> Path:
    """Where one series of the generator as it is belongs."""
    return folder / f"{seed}-{i:04}-{generator_digest()}.npz"


def kept_series(folder: Path, seed: int, i: int) -> Path:
    """The file of one series of the generator as it is, drawn when it is not there yet."""
    path = path_of(folder, seed, i)
    if not path.exists():
        head = series(i, seed, average_head())
        scan = head.phantom
        truth = [scan.blood_ml[t] for t in BleedType]
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(
            part,
            hu=scan.voxels_zyx_hu,
            labels=scan.labels_zyx,
            truth_ml=truth,
            thickness=scan.acquisition.spacing_mm,
            pixel_mm=scan.acquisition.pixel_spacing_mm,
            positions=scan.image_positions_lps_mm,
            sides=[head.sides.get(t, "") for t in BleedType],
            group=head.group,
        )
        part.replace(path)
    return path


def drawn(folder: Path, counts: Mapping[int, int]) -> dict[int, list[Path]]:
    """The first series of each seed; those that are not there yet are drawn on every core."""
    wanted = {seed: [path_of(folder, seed, i) for i in range(count)] for seed, count in counts.items()}
    missing = [(seed, i) for seed, paths in wanted.items() for i, p in enumerate(paths) if not p.exists()]
    if missing:
        print(f"drawing {len(missing)} series into {folder}", flush=True)
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(kept_series, repeat(folder), *zip(*missing, strict=True)))
    return wanted


def lacking(paths: list[Path], least_ml: float) -> str:
    """The kind of series that is not among kept ones, in words; empty when both kinds are."""
    blood_ml: list[float] = []
    for path in paths:
        with np.load(path) as kept:
            blood_ml.append(float(kept["truth_ml"].sum()))
    if 0 not in blood_ml:
        return "without blood"
    return "" if any(ml > least_ml for ml in blood_ml) else f"with more than {least_ml:g} mL of blood"


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
