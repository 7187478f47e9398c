"""A head in a scanner: pose, deformation, decoys and bleeds; and what slices of it show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, FIELD_SCALE, FLUID, HU, VENTRICLE, Head
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES, Blood, Field, soft, waves
from model_repo.ct_head_hemorrhage.training.decoys import Ball, Contrast, Sheets, Vessels, draw_decoys
from model_repo.ct_head_hemorrhage.training.places import draw_blood
from model_repo.ct_head_hemorrhage.training.scanner import Reconstruction, harden
from model_repo.ct_head_hemorrhage.training.surgery import Dura, Plug, Shunt, draw_surgery

IN_FLUID = ("subarachnoid", "intraventricular")
FLUID_HU, BRAIN_HU = np.float32(7.0), np.float32(33.0)
SKULL_EDGE_HU = np.float32(130.0)


@dataclass(frozen=True)
class Scene:
    """Everything drawn for one patient; `to_head` takes scanner mm [x, y, z] to head mm."""

    head: Head
    to_head: Field
    bend: Field
    bend_mm: float
    tissue: tuple[float, float, float]
    fold_mm: float
    blood_fold_mm: float
    fluid_cut: float
    scalp: Field
    decoys: Sequence[Ball | Sheets | Vessels | Contrast | Shunt | Plug | Dura]
    bleeds: Sequence[Blood]

    def scanner_mm(self, head_mm: Field) -> Field:
        """Where head points [n, 3] lie in the scanner, near enough to aim slices at them."""
        p = head_mm.astype(np.float32)
        return (p - self._bent(p)) @ np.linalg.inv(self.to_head).T

    def vertex_mm(self) -> float:
        """Scanner z of the highest point of the inner table."""
        return float(self.scanner_mm(self.head.surface_xyz_mm)[:, 2].max())

    def _bent(self, p: Field) -> Field:
        moved = np.empty_like(p)
        for i in range(3):
            moved[:, i] = waves(p, self.bend[i], 0.035)
        return moved * np.float32(self.bend_mm)


def draw_scene(
    head: Head,
    rng: np.random.Generator,
    kinds: Sequence[str],
    small: bool | None = None,
    contrast_share: float = 0.06,
) -> Scene:
    """A patient with this head and bleeds of these types."""
    turn, roll = rng.normal(0, 9), rng.normal(0, 3)
    tilt = rng.normal(0, 9) if rng.random() < 0.8 else rng.uniform(-25, 25)
    if rng.random() < 0.1:
        turn = rng.uniform(-40, 40)
    matrix = np.eye(3)
    for axis, degrees in ((0, tilt), (1, roll), (2, turn)):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        i, j = [k for k in range(3) if k != axis]
        part = np.eye(3)
        part[i, i], part[i, j], part[j, i], part[j, j] = c, -s, s, c
        matrix = matrix @ part
    scale = rng.normal(1.0, 0.04) * rng.normal(1, 0.03, 3).clip(0.9, 1.1)
    matrix = matrix @ np.diag(1 / scale)
    if rng.random() < 0.5:
        matrix = np.diag([-1.0, 1.0, 1.0]) @ matrix
    average = head.name == "template"
    return Scene(
        head=head,
        to_head=matrix.astype(np.float32),
        bend=rng.uniform(0, 6.28, (3, 3)).astype(np.float32),
        bend_mm=float(rng.uniform(0, 5)),
        tissue=(float(rng.uniform(0.75, 1.3)), float(rng.normal(32, 2.0)), float(rng.uniform(0, 1.6))),
        fold_mm=float(rng.uniform(-0.8, 1.3)) if average else -9.0,
        blood_fold_mm=float(rng.uniform(0.6, 1.8)),
        fluid_cut=float(rng.uniform(0.15, 0.6)) if average else -1.0,
        scalp=rng.uniform(0, 6.28, 3).astype(np.float32) * (1 if rng.random() < 0.3 else 0),
        decoys=[*draw_decoys(head, rng, contrast_share), *draw_surgery(head, rng)],
        bleeds=[draw_blood(k, head, rng, small) for k in kinds],
    )


def fields_at(head: Head, p: Field) -> Field:
    """The fields of the head at points [n, 3] in head mm, trilinear; air outside the grid."""
    grid = head.fields_zyxc
    at = [(p[:, 2 - i] - head.origin_zyx_mm[i]) * np.float32(1 / head.spacing_zyx_mm[i]) for i in range(3)]
    outside = np.zeros(len(p), bool)
    low, part = [], []
    for i, a in enumerate(at):
        outside |= (a < 0) | (a > grid.shape[i] - 1)
        a = np.clip(a, 0, grid.shape[i] - 1.001)
        low.append(a.astype(np.int32))
        part.append((a - low[-1])[:, None])
    # Four int16 fields are taken as one number: a gather of rows is several times slower.
    flat = np.ascontiguousarray(grid).view(np.int64).ravel()
    wide, deep = grid.shape[2], grid.shape[1] * grid.shape[2]
    base = low[0] * deep + low[1] * wide + low[2]

    def line(start: Field) -> Field:
        a, b = (flat[k].view(np.int16).reshape(-1, 4).astype(np.float32) for k in (start, start + 1))
        return a + (b - a) * part[2]

    def plane(start: Field) -> Field:
        a = line(start)
        return a + (line(start + wide) - a) * part[1]

    found = plane(base)
    found += (plane(base + deep) - found) * part[0]
    found *= FIELD_SCALE
    found[outside] = (-1000.0, -30.0, 0.0, 0.0)
    return _sharp_skull(found) if head.name == "template" else found


def _sharp_skull(f: Field) -> Field:
    """The average of many heads has an inner table 5 mm wide, where blood would drown in half of a bone, and
    hardly any bone at the temples: both edges are drawn anew, as sharp as one skull's."""
    hu, depth = f[:, HU], f[:, DEPTH]
    edge = np.where(depth > 0, SKULL_EDGE_HU, np.float32(75.0))
    bone = (np.abs(depth) < 5) & (hu > edge)
    hu[bone] = np.minimum(hu[bone] + 8 * (hu[bone] - edge[bone]), np.maximum(hu[bone], 900))
    brain = (depth > 0) & (hu > 46) & ~bone
    hu[brain] = 46 + 0.12 * (hu[brain] - 46)
    return f


def folds(p: Field, depth: Field, width_mm: float, phases: Field) -> Field:
    """The fluid share of sulci: folded sheets that stand on the surface of the brain."""
    k = np.float32(0.245)
    x, y, z = (k * p[:, i] for i in range(3))
    u = x + 0.75 * np.sin(0.41 * y + phases[0]) + 0.45 * np.sin(0.83 * z + phases[1])
    v = y + 0.75 * np.sin(0.44 * z + phases[2]) + 0.45 * np.sin(0.77 * x + phases[0])
    w = z + 0.75 * np.sin(0.39 * x + phases[1]) + 0.45 * np.sin(0.91 * y + phases[2])
    sheet = np.abs(np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)) * np.float32(3.1)
    reach = 16.0 + 6.0 * np.sin(0.6 * u + phases[1])
    width = width_mm * np.clip(1.2 - depth / reach, 0, 1)
    return soft(sheet - width, 1.2) * (depth > 0) * (depth < reach)


def sample(scene: Scene, scanner_mm: Field, r: Reconstruction) -> tuple[Field, Field]:
    """HU [n] and the share of blood by type [n, 5] at scanner points [n, 3]."""
    shares = np.zeros((len(scanner_mm), len(TYPES)), np.float32)
    hu = np.full(len(scanner_mm), -1000.0, np.float32)
    p_all = scanner_mm @ scene.to_head.T
    near = np.flatnonzero((p_all[:, 0] / 105.0) ** 2 + (p_all[:, 1] / 125.0) ** 2 < 1)
    p = p_all[near]
    p = p + scene._bent(p)
    f = fields_at(scene.head, p)
    # Half the image is air, where nothing can be.
    solid = f[:, HU] > -930
    hu[near[~solid]] = f[~solid, HU]
    near, p, f = near[solid], p[solid], f[solid]
    original = f
    moved = p
    for one in scene.bleeds:
        moved = one.displaced(moved, f)
    if moved is not p:
        f = fields_at(scene.head, moved)
        # Bone and what lies outside it do not give way.
        keep = (original[:, DEPTH] < 0.5) | (f[:, HU] > 62)
        f[keep] = original[keep]
        f[:, DEPTH] = original[:, DEPTH]
    out = _tissue(scene, moved, f)
    for decoy in scene.decoys:
        out = decoy.apply(moved, f, out)
    free = np.ones(len(p), np.float32)
    pieces = np.zeros((len(p), len(TYPES)), np.float32)
    for one in scene.bleeds:
        extra = None
        if one.type == "subarachnoid" and (scene.head.name != "person" or scene.bend_mm > 2.5):
            extra = folds(moved, f[:, DEPTH], scene.blood_fold_mm, scene.bend[0])
        if one.oedema_mm:
            rim = 0.85 * soft(one.distance(p, f[:, DEPTH]) - one.oedema_mm, 5.0) * (f[:, DEPTH] > 1.5)
            out = out * (1 - rim) + np.minimum(out, 19.0) * rim
        share = np.minimum(one.share(p, f, extra), free)
        free = free - share
        if one.type in IN_FLUID:
            # It takes the place of fluid before that of brain: half a sulcus turns bright, not grey.
            wet = np.clip((BRAIN_HU - out) / (BRAIN_HU - FLUID_HU), 0, 1)
            out = out - FLUID_HU * np.minimum(share, wet) - BRAIN_HU * np.maximum(share - wet, 0)
            out = out + one.density(p) * share
        else:
            out = out * (1 - share) + one.density(p) * share
        pieces[:, TYPES.index(one.type)] += share
    hu[near] = harden(out, f[:, DEPTH], r)
    shares[near] = pieces
    return hu, shares


def _tissue(scene: Scene, p: Field, f: Field) -> Field:
    """HU of this patient without lesions: contrast of brain, sulci of the average head, scalp."""
    hu, depth = f[:, HU].copy(), f[:, DEPTH]
    gain, level, grain = scene.tissue
    inside = np.clip(depth, 0, 1) * np.clip((75 - hu) / 20, 0, 1)
    hu = hu * (1 - inside) + ((hu - 32) * gain + level + grain * waves(p, scene.bend[1], 0.12)) * inside
    if scene.fluid_cut >= 0:
        wet = np.clip((f[:, FLUID] - scene.fluid_cut) / 0.3, 0, 1) * 0.8
        wet = np.maximum(wet, np.clip((f[:, VENTRICLE] - scene.fluid_cut + 0.1) / 0.25, 0, 1))
        wet = np.maximum(wet, folds(p, depth, scene.fold_mm, scene.bend[0]) * 0.9) * inside
        hu = hu * (1 - wet) + 7.0 * wet
    if scene.scalp.any():
        # Swollen scalp over a blow is as dense as blood and lies outside the skull.
        swollen = (depth < -5) & (hu < 150) & (hu > -150) & (waves(p, scene.scalp, 0.05) > 0.5)
        hu[swollen] = np.maximum(hu[swollen], 50.0 + 6.0 * waves(p[swollen], scene.scalp, 0.2))
    return hu


def render(
    scene: Scene,
    r: Reconstruction,
    z_mm: float,
    thickness_mm: float,
    shape: tuple[int, int],
    pixel_mm: float,
    middle_mm: tuple[float, float],
) -> tuple[Field, Field]:
    """One slice before acquisition: HU [y, x] and shares [5, y, x], averaged through its thickness."""
    y = (np.arange(shape[0], dtype=np.float32) - 0.5 * (shape[0] - 1)) * pixel_mm + middle_mm[0]
    x = (np.arange(shape[1], dtype=np.float32) - 0.5 * (shape[1] - 1)) * pixel_mm + middle_mm[1]
    grid_y, grid_x = (g.ravel() for g in np.meshgrid(y, x, indexing="ij"))
    count = 1 if thickness_mm < 2 else 2 if thickness_mm < 4.5 else 3
    hu, shares = 0.0, 0.0
    for part in range(count):
        z = z_mm + ((part + 0.5) / count - 0.5) * thickness_mm
        points = np.stack([grid_x, grid_y, np.full_like(grid_x, z)], 1)
        one, share = sample(scene, points, r)
        hu, shares = hu + one / count, shares + share / count
    # A trace of blood in a sample that is mostly bone is nothing anybody could see, so nothing to learn.
    shares = shares * np.clip((400.0 - hu) / 250.0, 0, 1)[:, None]
    return hu.reshape(shape), shares.T.reshape(len(TYPES), *shape)
