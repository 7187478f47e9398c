"""Chooses the two operating points on the held-out series of four seeds and measures them on a fifth.

`python -m model_repo.ct_head_hemorrhage.training.operating_points --kept runs/heldout`, without
PyTorch. Series are kept as files, so that a second model is asked about the same ones; `--draw-only`
only makes them.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.domain.adjacency import SAME_POSITION_MM
from edge.evaluation.statistics import proportion
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.clinical import Chosen, Point, bound, measured_line
from model_repo.ct_head_hemorrhage.training.kept import drawn, lacking

FOLDER = Path(__file__).resolve().parents[1]
CHOOSE, REPORT = (1, 2, 4, 5), 6
LARGE_ML = 5.0
MASK_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


# Two slices of 5 mm, in a tilted gantry as well, or nine of 1 mm: a thin series has more slices and more
# noise to be wrong about.
PAGE = Point(2, 0.5, 9.0, least_probability=0.5, bloodless_allowed=0.015)
WORKLIST = Point(2, 0.3, 4.5, least_probability=0.3, bloodless_allowed=0.1)


@dataclass(frozen=True)
class Answer:
    """What the model said of one series, by slice, and what is true of it; mL for each mask threshold."""

    probability: NDArray[Any]
    areas_ml: NDArray[Any]
    truth_ml: NDArray[Any]
    overlaps: NDArray[Any]
    group: str
    step_mm: float

    def score(self, point: Point, mask: int) -> NDArray[Any]:
        """Per type the highest probability at which the series passes the point's other conditions."""
        best = np.zeros(len(TYPES))
        for k in range(len(TYPES)):
            for limit in np.unique(self.probability[:, k])[::-1]:
                if self._passes(k, limit, point, mask):
                    best[k] = limit
                    break
        return best

    def volume_error(self, mask: int) -> float:
        """Of all blood together, as a part of it."""
        return abs(self.areas_ml[mask].sum() - self.truth_ml.sum()) / self.truth_ml.sum()

    def _passes(self, k: int, limit: float, point: Point, mask: int) -> bool:
        run, held = 0, 0.0
        for probability, ml in zip(self.probability[:, k], self.areas_ml[mask, :, k], strict=True):
            run, held = (run + 1, held + ml) if probability >= limit else (0, 0.0)
            extent_mm = run * self.step_mm + SAME_POSITION_MM
            enough = run >= point.slices and extent_mm >= point.least_mm
            if enough and held >= point.least_ml:
                return True
        return False


@functools.cache
def session_of(model: Path) -> ort.InferenceSession:
    """One thread each: a process for every core asks."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def ask(model: Path, path: Path) -> Answer:
    """The model's answers for every slice of a series, with its neighbours."""
    session = session_of(model)
    with np.load(path) as kept:
        hu, labels = kept["hu"], kept["labels"]
        thickness, pixel_mm = float(kept["thickness"]), float(kept["pixel_mm"])
        truth, group = kept["truth_ml"], str(kept["group"])
    said = []
    areas = np.zeros((len(MASK_THRESHOLDS), len(hu), len(TYPES)))
    overlaps = np.zeros((len(MASK_THRESHOLDS), 3, len(TYPES)))
    wanted = labels[:, None] == np.arange(1, len(TYPES) + 1)[:, None, None]
    for k in range(len(hu)):
        slab = hu[[max(k - 1, 0), k, min(k + 1, len(hu) - 1)]][np.newaxis]
        spacing = np.full((1, 2), pixel_mm, np.float32)
        probability, mask = session.run(None, {"slab_hu": slab, "pixel_spacing_mm": spacing})
        said.append(probability[0])
        for m, threshold in enumerate(MASK_THRESHOLDS):
            found = mask[0] >= np.ceil(threshold * 255)
            areas[m, k] = found.sum((1, 2)) * pixel_mm**2 * thickness / 1000.0
            overlaps[m] += [(found & wanted[k]).sum((1, 2)), found.sum((1, 2)), wanted[k].sum((1, 2))]
    return Answer(np.stack(said), areas, truth, overlaps, group, thickness)


def choose_mask(answers: list[Answer]) -> int:
    """The mask threshold with the least median error of the volume, by its number."""
    large = [a for a in answers if a.truth_ml.sum() > LARGE_ML]
    errors = [np.median([a.volume_error(m) for a in large]) for m in range(len(MASK_THRESHOLDS))]
    return int(np.argmin(errors))


def choose(answers: list[Answer], point: Point, mask: int) -> NDArray[Any]:
    """For each type the lowest probability that no bloodless series reaches but the few that may.

    One after the other may, each time the one without which most bleeds pass.
    """
    clean = np.array([a.score(point, mask) for a in answers if a.truth_ml.sum() == 0])
    bled = np.array([a.score(point, mask) for a in answers if a.truth_ml.sum() >= 1])

    def limits(kept: NDArray[Any]) -> NDArray[Any]:
        return np.clip(kept.max(axis=0) + 0.01, point.least_probability, 0.98).round(2)

    def gain(without: int) -> tuple[int, float]:
        found = limits(np.delete(clean, without, axis=0))
        return int((bled >= found).any(axis=1).sum()), -float(found.sum())

    for _ in range(int(point.bloodless_allowed * len(clean))):
        clean = np.delete(clean, max(range(len(clean)), key=gain), axis=0)
    return limits(clean)


def rate(hits: list[bool]) -> dict[str, Any]:
    """A proportion with its 95 % interval."""
    found = proportion(hits)
    return {"passed": found.hits, "of": found.of, "interval": found.interval}


def report(answers: list[Answer], point: Point, limits: NDArray[Any], mask: int) -> dict[str, Any]:
    """How many series of each kind pass the point: any finding, and for types their own finding."""
    passed = [a.score(point, mask) >= limits for a in answers]
    both = list(zip(answers, passed, strict=True))
    out: dict[str, Any] = {
        "probability": dict(zip(TYPES, limits.tolist(), strict=True)),
        "bloodless that pass": rate([bool(p.any()) for a, p in both if a.truth_ml.sum() == 0]),
        "at least 1 mL": rate([bool(p.any()) for a, p in both if a.truth_ml.sum() >= 1]),
        "less than 1 mL": rate([bool(p.any()) for a, p in both if 0 < a.truth_ml.sum() < 1]),
    }
    for k, kind in enumerate(TYPES):
        main = [(a, p) for a, p in both if a.truth_ml[k] >= 1 and a.truth_ml[k] == a.truth_ml.max()]
        out[f"{kind}, any finding"] = rate([bool(p.any()) for _, p in main])
        out[f"{kind}, its own finding"] = rate([bool(p[k]) for _, p in main])
    return out


def volumes(answers: list[Answer], mask: int) -> dict[str, Any]:
    """Median error of the whole volume above 5 mL, and Dice by type over all series."""
    errors = [a.volume_error(mask) for a in answers if a.truth_ml.sum() > LARGE_ML]
    overlap = sum(a.overlaps[mask] for a in answers)
    dice = 2 * overlap[0] / np.maximum(overlap[1] + overlap[2], 1)
    return {
        "median volume error above 5 mL": round(float(np.median(errors)), 3) if errors else None,
        "series above 5 mL": len(errors),
        "dice": {t: round(float(d), 3) for t, d in zip(TYPES, dice, strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=FOLDER / "1" / "model.onnx")
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument(
        "--choose", type=int, default=160, help="series of each seed the points are chosen on"
    )
    parser.add_argument("--count", type=int, default=160, help="series the points are reported on")
    parser.add_argument("--draw-only", action="store_true")
    parser.add_argument(
        "--write", metavar="VERSION", help="into clinical.toml, with the digest of 1/model.onnx"
    )
    asked = parser.parse_args()
    counts = dict.fromkeys(CHOOSE, asked.choose) | {REPORT: asked.count}
    paths = drawn(asked.kept, counts)
    if asked.draw_only:
        return
    for option, seeds, least_ml in (("--choose", CHOOSE, LARGE_ML), ("--count", (REPORT,), 1.0)):
        if kind := lacking([p for seed in seeds for p in paths[seed]], least_ml):
            parser.error(f"{option} {counts[seeds[0]]} has no series {kind}: ask for more")
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        answers = {s: list(pool.map(ask, itertools.repeat(asked.model), paths[s])) for s in paths}
    chosen_on = [a for seed in CHOOSE for a in answers[seed]]
    mask = choose_mask(chosen_on)
    print("mask threshold", MASK_THRESHOLDS[mask])
    limits = np.ones(len(TYPES))
    chosen: dict[str, dict[str, float]] = {}
    lines = [f'on = "{asked.count} synthetic series of seed {REPORT}, bleeds of at least 1 mL"']
    for name, point in (("page", PAGE), ("worklist", WORKLIST)):
        # What pages is on the worklist as well.
        limits = np.minimum(choose(chosen_on, point, mask), limits)
        chosen[name] = dict(zip(TYPES, limits.tolist(), strict=True))
        found = report(answers[REPORT], point, limits, mask)
        lines.append(measured_line(name, found))
        print(name, json.dumps(found, indent=1))
    print(json.dumps(volumes(answers[REPORT], mask), indent=1))
    if asked.write:
        digest = hashlib.sha256(asked.model.read_bytes()).hexdigest()
        points = {"page": PAGE, "worklist": WORKLIST}
        everything = Chosen(asked.write, digest, MASK_THRESHOLDS[mask], chosen, points, "\n".join(lines))
        path = FOLDER / "clinical.toml"
        path.write_text(bound(path.read_text(), everything))


if __name__ == "__main__":
    main()
