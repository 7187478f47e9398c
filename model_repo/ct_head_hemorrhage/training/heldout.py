"""Whole synthetic series that training never draws, for `edge models evaluate` and the operating points.

Apart from training: phantoms with odd seeds (training has even ones), the average head under poses,
deformations, decoys and bleeds drawn from seeds of their own, and the real person not at all. The
average head's anatomy itself is the same as in training; the phantoms' is not.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edge.imaging
from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from model_repo.ct_head_hemorrhage.training.anatomy import Head, default_data, phantom_head, template_head
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.places import COMPANIONS
from model_repo.ct_head_hemorrhage.training.scanner import acquire, draw_reconstruction
from model_repo.ct_head_hemorrhage.training.scenes import Scene, draw_scene, render

FIRST_PHANTOM = 5001
STREAM = 880_001
# Below the lowest slice of a head that training draws, and above its inner table up to the skin.
BELOW_MM, ABOVE_MM = 4.0, 14.0
# Thickness in mm, which is the distance as well, and how often it is drawn.
THICKNESS_MM = {1.0: 0.05, 1.5: 0.05, 2.5: 0.2, 4.0: 0.2, 5.0: 0.35, 6.0: 0.08, 7.0: 0.07}
COARSE = 208, 1.1
# One in six, but for thin slices, as fine as scanners send them; drawing those takes six times as long.
FINE_PIXELS, FINE_MM, FINE_SHARE = 512, (0.4, 0.55), 1 / 6
# Farther from the midline than this, blood is of one side.
ONE_SIDED_MM = 12.0
_GENERATOR = ("anatomy", "bleeds", "decoys", "heldout", "places", "scanner", "scenes", "surgery")


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """`count` series: with blood, without, and so on; types take turns and every other head is a phantom."""
    for i in range(count):
        yield series(i, seed, average_head())


@functools.cache
def average_head() -> Head | None:
    """None where ct-template is not to be had: then every head is a phantom."""
    folder = default_data() / "ct-template"
    return template_head(folder) if folder.is_dir() else None


def generator_digest() -> str:
    """Of the sources that a series comes from, so that files of an earlier state are not taken for it."""
    sources = [Path(__file__).with_name(f"{name}.py") for name in _GENERATOR]
    sources += sorted(Path(edge.imaging.__file__).parent.glob("phantom*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]


def series(i: int, seed: int, average: Head | None) -> SyntheticHead:
    """The i-th series of a seed, whichever were asked for before."""
    rng = np.random.default_rng([STREAM, seed, i])
    phantom = average is None or (i // 2) % 2 == 1
    head = phantom_head(FIRST_PHANTOM + 2 * (seed * 997 + i // 2)) if phantom or average is None else average
    kinds: list[str] = []
    if i % 2 == 0:
        kinds = [TYPES[(i // 2) % len(TYPES)]]
        if rng.random() < 0.15:
            kinds.append(str(rng.choice(COMPANIONS[kinds[0]])))
    scene = draw_scene(head, rng, kinds)
    thickness = float(rng.choice(list(THICKNESS_MM), p=list(THICKNESS_MM.values())))
    size, pixel_mm = COARSE
    if thickness >= 2.5 and rng.random() < FINE_SHARE:
        size, pixel_mm = FINE_PIXELS, round(float(rng.uniform(*FINE_MM)), 3)
    recon = draw_reconstruction(rng, thickness, pixel_mm)
    z_mm = np.arange(head.lowest_mm - BELOW_MM, scene.vertex_mm() + ABOVE_MM, thickness)
    count = len(z_mm)
    middle = (float(rng.normal(-2, 8)), float(rng.normal(0, 7)))
    images, labels = [], np.zeros((count, size, size), np.uint8)
    blood_ml = dict.fromkeys(BleedType, 0.0)
    for k, z in enumerate(z_mm):
        hu, shares = render(scene, recon, float(z), thickness, (size, size), pixel_mm, middle)
        images.append(hu)
        best = shares.argmax(0)
        labels[k] = np.where(shares.sum(0) >= 0.5, best + 1, 0)
        for share, kind in zip(shares, BleedType, strict=True):
            blood_ml[kind] += float(share.sum()) * pixel_mm**2 * thickness / 1000.0
    voxels = np.clip(np.rint(acquire(np.stack(images), recon, rng)), -3024, 3071).astype(np.int16)
    # Less than a drop is no bleed: the place drawn for it had no room.
    blood_ml = {kind: ml if ml >= 0.05 else 0.0 for kind, ml in blood_ml.items()}
    scan = Acquisition(size, size, pixel_mm, count, thickness, thickness, 0.0, recon.noise_hu)
    half = 0.5 * (size - 1) * pixel_mm
    positions = np.stack([np.full(count, middle[1] - half), np.full(count, middle[0] - half), z_mm], 1)
    scanned = HeadPhantom(voxels, labels, blood_ml, positions, scan.image_orientation, scan, i)
    group = ("average" if not phantom else "phantom") + (" with decoys" if scene.decoys else "")
    return SyntheticHead(scanned, group, sides_of(scene))


def sides_of(scene: Scene) -> dict[BleedType, str]:
    """The patient's side of each type that is on one side alone; x grows to the left (PS3.3 C.7.6.2.1.1)."""
    found: dict[BleedType, set[str]] = {}
    for bleed in scene.bleeds:
        if bleed.along or bleed.type in ("subarachnoid", "intraventricular"):
            continue
        midline = bleed.centre * np.array([0.0, 1.0, 1.0])
        at, middle = scene.scanner_mm(np.stack([bleed.centre, midline]))[:, 0]
        side = "" if abs(at - middle) < ONE_SIDED_MM else "left" if at > middle else "right"
        found.setdefault(BleedType(bleed.type), set()).add(side)
    return {kind: next(iter(sides)) for kind, sides in found.items() if len(sides) == 1 and "" not in sides}
