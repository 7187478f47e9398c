"""Whole synthetic series that training never draws, for `edge models evaluate` and the operating points.

Apart from training: phantoms with odd seeds (training has even ones), the average head under poses,
deformations, decoys and bleeds drawn from seeds of their own, and the real person not at all. The
average head's anatomy itself is the same as in training; the phantoms' is not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.evaluation.phantoms import SyntheticHead
from edge.imaging.phantom import Acquisition, BleedType, HeadPhantom
from model_repo.ct_head_hemorrhage.training.anatomy import Head, phantom_head, template_head
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.samples import COMPANIONS, default_data
from model_repo.ct_head_hemorrhage.training.scanner import acquire, draw_reconstruction
from model_repo.ct_head_hemorrhage.training.scenes import draw_scene, render

FIRST_PHANTOM = 5001
STREAM = 880_001
# Below the lowest slice of a head that training draws, and above its inner table up to the skin.
BELOW_MM, ABOVE_MM = 4.0, 14.0
SIZE, PIXEL_MM = 208, 1.1


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """`count` series: with blood, without, and so on; types take turns and every other head is a phantom."""
    data = default_data()
    average = template_head(data / "ct-template") if (data / "ct-template").is_dir() else None
    for i in range(count):
        yield series(i, seed, average)


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
    thickness = float(rng.choice([2.5, 4.0, 5.0, 5.0, 6.0]))
    recon = draw_reconstruction(rng, thickness, PIXEL_MM)
    z_mm = np.arange(head.lowest_mm - BELOW_MM, scene.vertex_mm() + ABOVE_MM, thickness)
    count = len(z_mm)
    middle = (float(rng.normal(-2, 8)), float(rng.normal(0, 7)))
    images, labels = [], np.zeros((count, SIZE, SIZE), np.uint8)
    blood_ml = dict.fromkeys(BleedType, 0.0)
    for k, z in enumerate(z_mm):
        hu, shares = render(scene, recon, float(z), thickness, (SIZE, SIZE), PIXEL_MM, middle)
        images.append(hu)
        best = shares.argmax(0)
        labels[k] = np.where(shares.sum(0) >= 0.5, best + 1, 0)
        for share, kind in zip(shares, BleedType, strict=True):
            blood_ml[kind] += float(share.sum()) * PIXEL_MM**2 * thickness / 1000.0
    voxels = np.clip(np.rint(acquire(np.stack(images), recon, rng)), -3024, 3071).astype(np.int16)
    # Less than a drop is no bleed: the place drawn for it had no room.
    blood_ml = {kind: ml if ml >= 0.05 else 0.0 for kind, ml in blood_ml.items()}
    scan = Acquisition(SIZE, SIZE, PIXEL_MM, count, thickness, thickness, 0.0, recon.noise_hu)
    half = 0.5 * (SIZE - 1) * PIXEL_MM
    positions = np.stack([np.full(count, middle[1] - half), np.full(count, middle[0] - half), z_mm], 1)
    scanned = HeadPhantom(voxels, labels, blood_ml, positions, scan.image_orientation, scan, i)
    group = ("average" if not phantom else "phantom") + (" with decoys" if scene.decoys else "")
    return SyntheticHead(scanned, group, {})
