"""A synthetic head CT in true HU: a continuous model of a head, sampled as a scanner samples one.

Pure numpy and deterministic by seed. It feeds demo, canary, tests and training. No real person's
anatomy is in it, and it is no substitute for real images when a model is judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.imaging.phantom_anatomy import Anatomy, Field, Matrix, Points, anatomy, bent, shell, skin_distance
from edge.imaging.phantom_bleeds import (
    Bleed,
    BleedType,
    PlacedBleed,
    blood_hu,
    displaced,
    place_bleeds,
)
from edge.imaging.phantom_brain import contents
from edge.imaging.phantom_noise import blur, grainy
from edge.imaging.phantom_skull import holder, outside_cavity

__all__ = ["Acquisition", "Bleed", "BleedType", "HeadPhantom", "head_phantom"]

SUBPLANES = 3
REFERENCE_THICKNESS_MM = 4.0
POINT_SPREAD_MM = 0.42
COVERS_HEAD_MM = 130.0
MID_HEAD_MM = 12.0
BLOCK_MM = 3.0
CHUNK = 32768


@dataclass(frozen=True)
class Acquisition:
    """How the head is scanned.

    `spacing_mm` is the distance between slices along their normal. The gantry tilts about x and the
    table moves along z, so tilted slices are sheared against each other as on a real scanner.
    `noise_hu` is the standard deviation in the middle of a 4 mm slice; thinner ones are noisier by
    the square root. Outside the circle of reconstruction all is `padding_hu`.
    """

    rows: int = 512
    columns: int = 512
    pixel_spacing_mm: float = 0.45
    slices: int = 36
    spacing_mm: float = 4.0
    slice_thickness_mm: float = 4.0
    tilt_deg: float = 0.0
    noise_hu: float = 5.0
    padding_hu: int = -1024

    def __post_init__(self) -> None:
        if min(self.rows, self.columns) < 8 or self.slices < 1:
            raise ValueError("an acquisition needs at least 8 rows, 8 columns and 1 slice")
        if min(self.pixel_spacing_mm, self.spacing_mm, self.slice_thickness_mm) <= 0:
            raise ValueError("pixel spacing, slice spacing and slice thickness must be positive")
        if not abs(self.tilt_deg) <= 35.0 or self.noise_hu < 0:
            raise ValueError("tilt_deg must lie within 35 degrees and noise_hu must not be negative")

    @property
    def image_orientation(self) -> tuple[float, float, float, float, float, float]:
        """ImageOrientationPatient: row cosines, then column cosines."""
        tilt = math.radians(self.tilt_deg)
        return (1.0, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt))


@dataclass(frozen=True)
class HeadPhantom:
    """A scanned synthetic head; arrays go from feet to head along the slice normal.

    `voxels_zyx_hu` is int16; `labels_zyx` is uint8, 0 without blood, else `BleedType.label` where at
    least half of the voxel is blood; `blood_ml` counts partial voxels, by type, within the scanned
    slices; `image_positions_lps_mm` is (slices, 3), the centre of each first voxel.
    """

    voxels_zyx_hu: NDArray[np.int16]
    labels_zyx: NDArray[np.uint8]
    blood_ml: Mapping[BleedType, float]
    image_positions_lps_mm: NDArray[np.float64]
    image_orientation: tuple[float, float, float, float, float, float]
    acquisition: Acquisition
    seed: int


@dataclass(frozen=True)
class _Scene:
    anatomy: Anatomy
    placed: tuple[PlacedBleed, ...]


def head_phantom(
    seed: int, *, bleeds: Sequence[Bleed] = (), acquisition: Acquisition | None = None
) -> HeadPhantom:
    """The head that belongs to `seed`, with `bleeds`; the same head again under any acquisition.

    Raises ValueError when a bleed has no room in its compartment.
    """
    scan = acquisition or Acquisition()
    body, places, grain = (np.random.Generator(np.random.PCG64([seed, part])) for part in range(3))
    drawn, placed = place_bleeds(anatomy(body), bleeds, places)
    scene = _Scene(drawn, placed)
    positions = _positions(scan, drawn)
    voxels = np.empty((scan.slices, scan.rows, scan.columns), np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    blood_ml = dict.fromkeys(BleedType, 0.0)
    voxel_ml = scan.pixel_spacing_mm**2 * scan.spacing_mm / 1000.0
    for k in range(scan.slices):
        voxels[k], shares = _slice(scene, scan, positions[k], grain)
        for one, share_yx in zip(placed, shares, strict=True):
            blood_ml[one.bleed.type] += float(share_yx.sum(dtype=np.float64)) * voxel_ml
            labels[k][share_yx >= 0.5] = one.bleed.type.label
    return HeadPhantom(voxels, labels, blood_ml, positions, scan.image_orientation, scan, seed)


def _positions(scan: Acquisition, a: Anatomy) -> NDArray[np.float64]:
    """ImagePositionPatient of every slice; a stack as long as a head ends just above the vertex."""
    tilt = math.radians(scan.tilt_deg)
    table_step = scan.spacing_mm / math.cos(tilt)
    length = table_step * (scan.slices - 1)
    middle = float(a.centre_lps_mm[2]) + MID_HEAD_MM
    top = middle + 0.5 * length
    if length + table_step >= COVERS_HEAD_MM:
        top = a.vertex_lps_z_mm() + 0.25 * table_step + 25.0 * abs(math.sin(tilt))
    z = top - length + table_step * np.arange(scan.slices)
    half_x = 0.5 * (scan.columns - 1) * scan.pixel_spacing_mm
    half_y = 0.5 * (scan.rows - 1) * scan.pixel_spacing_mm
    first = np.empty((scan.slices, 3))
    first[:, 0] = -half_x
    first[:, 1] = -half_y * math.cos(tilt)
    first[:, 2] = z + half_y * math.sin(tilt)
    return first


def _slice(
    scene: _Scene, scan: Acquisition, position: Matrix, grain: np.random.Generator
) -> tuple[NDArray[np.int16], list[Field]]:
    """One slice in HU and the share of blood of each bleed, averaged through the thickness."""
    columns_mm = np.arange(scan.columns, dtype=np.float32) * np.float32(scan.pixel_spacing_mm)
    rows_mm = np.arange(scan.rows, dtype=np.float32) * np.float32(scan.pixel_spacing_mm)
    x_mm, y_mm = columns_mm + np.float32(position[0]), rows_mm - rows_mm[-1] / np.float32(2)
    hu = holder(x_mm[None, :], y_mm[:, None])
    shares = [np.zeros((scan.rows, scan.columns), np.float32) for _ in scene.placed]
    plane = _plane(scene, scan, position)
    at_rows, at_columns = np.nonzero(_near_head(scene, plane, scan))
    for first in range(0, at_rows.size, CHUNK):
        here = (at_rows[first : first + CHUNK], at_columns[first : first + CHUNK])
        head = np.zeros(here[0].size, np.float32)
        for part in range(SUBPLANES):
            off_mm = ((part + 0.5) / SUBPLANES - 0.5) * scan.slice_thickness_mm
            sampled, blood = _sample(scene, plane.at(rows_mm[here[0]], columns_mm[here[1]], off_mm))
            head += sampled / np.float32(SUBPLANES)
            for share_yx, share in zip(shares, blood, strict=True):
                share_yx[here] += share / np.float32(SUBPLANES)
        hu[here] = np.maximum(hu[here], head)
    hu = blur(hu, POINT_SPREAD_MM / scan.pixel_spacing_mm)
    sd = scan.noise_hu * math.sqrt(REFERENCE_THICKNESS_MM / scan.slice_thickness_mm)
    hu += grainy(hu.shape, x_mm, y_mm, sd, scan.pixel_spacing_mm, grain)
    radius_mm = 0.5 * max(scan.rows, scan.columns) * scan.pixel_spacing_mm
    outside = x_mm[None, :] ** 2 + y_mm[:, None] ** 2 > radius_mm**2
    hu = np.where(outside, np.float32(scan.padding_hu), np.clip(hu, -1024.0, 3071.0))
    return np.rint(hu).astype(np.int16), shares


@dataclass(frozen=True)
class _Plane:
    """A slice in head coordinates: its first voxel, and one mm along a row, a column, the normal."""

    start: Matrix
    across: Matrix
    down: Matrix
    normal: Matrix

    def at(self, rows_mm: Field, columns_mm: Field, off_mm: float) -> Points:
        """The points at these distances from the first voxel, `off_mm` out of the plane."""
        start = (self.start + off_mm * self.normal).astype(np.float32)
        down, across = self.down.astype(np.float32), self.across.astype(np.float32)
        axes = [start[i] + rows_mm * down[i] + columns_mm * across[i] for i in range(3)]
        return Points(*axes)


def _plane(scene: _Scene, scan: Acquisition, position: Matrix) -> _Plane:
    to_head = scene.anatomy.to_head
    across, down = (np.array(scan.image_orientation[i : i + 3]) for i in (0, 3))
    start = to_head @ (position - scene.anatomy.centre_lps_mm)
    return _Plane(start, to_head @ across, to_head @ down, to_head @ np.cross(across, down))


def _near_head(scene: _Scene, plane: _Plane, scan: Acquisition) -> NDArray[np.bool_]:
    """The pixels of a slice worth sampling: blocks of pixels within reach of the skin."""
    block = max(1, round(BLOCK_MM / scan.pixel_spacing_mm))
    block_mm = block * scan.pixel_spacing_mm
    rows = np.arange(0.5 * block_mm, scan.rows * scan.pixel_spacing_mm + block_mm, block_mm)
    columns = np.arange(0.5 * block_mm, scan.columns * scan.pixel_spacing_mm + block_mm, block_mm)
    middle = plane.at(rows[:, None].astype(np.float32), columns[None, :].astype(np.float32), 0.0)
    reach = 0.75 * block_mm + 0.5 * scan.slice_thickness_mm + 1.5
    near = skin_distance(bent(scene.anatomy, middle)) < reach
    return near.repeat(block, axis=0).repeat(block, axis=1)[: scan.rows, : scan.columns]


def _sample(scene: _Scene, p: Points) -> tuple[Field, list[Field]]:
    """HU of the model at points, and the share of each bleed."""
    p = bent(scene.anatomy, p)
    whole = shell(p)
    outside = whole.outside
    inside = outside < 0.0
    hu = np.empty_like(p.x)
    hu[~inside] = outside_cavity(scene.anatomy, p.take(~inside), whole.take(~inside))
    here, depth = p.take(inside), -outside[inside]
    held = contents(scene.anatomy, displaced(scene.placed, here), depth, whole.rho[inside])
    mixed = held.hu
    room = np.ones_like(depth)
    shares: list[Field] = []
    for one in scene.placed:
        mixed = mixed + 29.0 * one.effaced(here) * held.subarachnoid
        swollen = one.oedema(here, depth)
        mixed = mixed * (1.0 - swollen) + np.minimum(mixed, np.float32(19.0)) * swollen
        share = np.minimum(one.share(here, depth, held), room)
        room = room - share
        clot = blood_hu(one.bleed) + 3.0 * np.sin(0.31 * here.x + 0.23 * here.y + 0.27 * here.z)
        mixed = mixed * (1.0 - share) + clot * share
        spread = np.zeros_like(p.x)
        spread[inside] = share
        shares.append(spread)
    hu[inside] = mixed
    return hu, shares
