"""Heads without blood to put blood into: voxels, where the brain is, and where its fluid lies.

Three sources: the project's phantom (a new head for every seed), one average head and one person.
Head coordinates are mm, x to the left, y to the back, z up, the origin amid the brain.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.imaging.phantom import _sample, _Scene
from edge.imaging.phantom_anatomy import Points, anatomy, bent, shell
from edge.imaging.phantom_brain import contents

Volume = NDArray[np.floating[Any]]
# Channels of `Head.fields_zyxc`.
HU, DEPTH, FLUID, VENTRICLE = range(4)
REACH_MM = 30
FIELD_SCALE = np.array([1.0, 0.01, 0.001, 0.001], np.float32)


@dataclass(frozen=True)
class Head:
    """One head as int16 fields on a grid; times FIELD_SCALE they are HU, mm under the inner table
    (negative outside), and the subarachnoid and ventricular shares of fluid."""

    name: str
    fields_zyxc: NDArray[np.int16]
    origin_zyx_mm: tuple[float, float, float]
    spacing_zyx_mm: tuple[float, float, float]
    lowest_mm: float
    surface_xyz_mm: Volume
    inside_xyz_mm: Volume


def default_data() -> Path:
    """Where ct-template and ct-head-ge are: EDGE_TRAINING_DATA, or ../shared/data beside the checkout."""
    named = os.environ.get("EDGE_TRAINING_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared" / "data"


def read_nifti(path: Path) -> NDArray[np.float64]:
    """Voxels [z, y, x] of a plain NIfTI-1 file in either byte order, scaled as its header says."""
    raw = path.read_bytes()
    order = "<" if struct.unpack("<i", raw[:4])[0] == 348 else ">"
    shape = struct.unpack(order + "8h", raw[40:56])[1:4]
    kind = struct.unpack(order + "h", raw[70:72])[0]
    offset, slope, intercept = struct.unpack(order + "3f", raw[108:120])
    dtype = {2: "u1", 4: "i2", 16: "f4", 512: "u2"}[kind]
    count = shape[0] * shape[1] * shape[2]
    voxels = np.frombuffer(raw, order + dtype, count, int(offset)).reshape(shape[::-1])
    return voxels * float(slope or 1.0) + float(intercept)


def distance_mm(mask_zyx: NDArray[np.bool_], spacing_zyx_mm: tuple[float, float, float]) -> Volume:
    """Distance to the edge of the mask, positive inside, cut off at REACH_MM."""
    parts = []
    for inside in (mask_zyx, ~mask_zyx):
        square = np.where(inside, np.float32(REACH_MM**2), np.float32(0))
        for axis, step in enumerate(spacing_zyx_mm):
            best = square.copy()
            for k in range(1, int(REACH_MM / step) + 1):
                far = np.float32((k * step) ** 2)
                low = [slice(None)] * 3
                high = [slice(None)] * 3
                low[axis], high[axis] = slice(None, -k), slice(k, None)
                np.minimum(best[tuple(low)], square[tuple(high)] + far, out=best[tuple(low)])
                np.minimum(best[tuple(high)], square[tuple(low)] + far, out=best[tuple(high)])
            square = best
        parts.append(np.sqrt(square))
    half = 0.5 * spacing_zyx_mm[1]
    return np.where(mask_zyx, parts[0] - half, half - parts[1])


def pack(
    name: str,
    hu: Volume,
    depth: Volume,
    fluid: Volume,
    ventricle: Volume,
    origin: Any,
    spacing: Any,
    lowest: float,
) -> Head:
    """A Head from its fields; points of the inner table and of the brain are listed for placing bleeds."""
    stacked = np.stack([np.clip(hu, -1024, 3071), depth, fluid * (1 - ventricle), ventricle], -1)
    packed = np.rint(stacked / FIELD_SCALE).astype(np.int16)
    rng = np.random.default_rng(0)
    lists = []
    for where in ((depth > 0) & (depth < 2.5), (depth > 5) & (ventricle < 0.3)):
        zyx = np.argwhere(where & (hu < 110))
        zyx = zyx[rng.permutation(len(zyx))[:6000]] * np.array(spacing) + np.array(origin)
        lists.append(zyx[zyx[:, 0] > lowest + 8][:, ::-1].astype(np.float32))
    return Head(name, packed, tuple(origin), tuple(spacing), lowest, *lists)


def template_head(folder: Path) -> Head:
    """The average head of ct-template; its units stretch -100..100 HU elevenfold (Rorden et al. 2012)."""
    raw = read_nifti(folder / "scct.nii")
    hu = np.where(raw < 900, raw - 1000, np.where(raw < 3100, (raw - 900) / 11 - 100, raw - 3000))
    # Its white matter reads 45 and its grey matter 55, so brain is brought to what scanners show.
    hu = np.where(hu > -60, np.where(hu < 110, (hu - 45.4) * 0.9 + 28.5, hu - 24.0), hu)
    grey, white, fluid = (read_nifti(folder / f"{n}.nii") for n in ("scgrey", "scwhite", "sccsf"))
    hu, grey, white, fluid = (v[:, ::-1] for v in (hu, grey, white, fluid))
    z, y, x = np.meshgrid(*(np.arange(n) for n in hu.shape), indexing="ij")
    x_mm, y_mm, z_mm = 2.0 * x - 90.0, 2.0 * y - 110.0, 2.0 * z - 72.0
    inside = ((grey + white + fluid) > 0.5) & (hu < 130) & ~((y_mm < -52) & (z_mm < -22))
    depth = distance_mm(inside, (2.0, 2.0, 2.0)) + 0.7
    deep = (depth > 24) & (np.abs(x_mm) < 34) & (z_mm > -14) & (z_mm < 36)
    deep &= (np.abs(y_mm) < 52) & ~((np.abs(y_mm) < 38) & (np.abs(x_mm) > 24) & (z_mm < 8) & (y_mm < 5))
    fourth = (np.abs(x_mm) < 9) & (np.abs(y_mm - 24) < 12) & (np.abs(z_mm + 32) < 12)
    ventricle = fluid * (deep | fourth)
    origin = (-72.0, float(y_mm[0, 0, 0]), -90.0)
    return pack("template", hu, depth, fluid * inside, ventricle, origin, (2.0, 2.0, 2.0), -58.0)


def phantom_head(seed: int) -> Head:
    """The bloodless phantom of this seed in its own coordinates."""
    spacing, origin = (2.0, 1.25, 1.25), (-74.0, -102.0, -86.0)
    counts = (81, 165, 138)
    drawn = anatomy(np.random.default_rng([seed, 77]))
    axes = [
        (o + s * np.arange(n)).astype(np.float32) for o, s, n in zip(origin, spacing, counts, strict=True)
    ]
    fields = [np.zeros(counts, np.float32) for _ in range(4)]
    for k, z in enumerate(axes[0]):
        y, x = (a.ravel() for a in np.meshgrid(axes[1], axes[2], indexing="ij"))
        p = Points(x, y, np.full_like(x, z))
        fields[HU][k] = _sample(_Scene(drawn, ()), p)[0].reshape(counts[1:])
        whole = shell(bent(drawn, p))
        depth = -whole.outside
        fields[DEPTH][k] = np.clip(depth, -REACH_MM, 60).reshape(counts[1:])
        inside = depth > 0
        held = contents(drawn, bent(drawn, p).take(inside), depth[inside], whole.rho[inside])
        for channel, share in ((FLUID, held.subarachnoid), (VENTRICLE, held.ventricle)):
            flat = np.zeros_like(x)
            flat[inside] = share
            fields[channel][k] = flat.reshape(counts[1:])
    return pack(f"phantom-{seed}", *fields, origin, spacing, -62.0)
