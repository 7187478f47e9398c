"""The fluid spaces of the brain that have names: ventricles, cisterns and the Sylvian fissure."""

from __future__ import annotations

import numpy as np

from edge.imaging.phantom_anatomy import Anatomy, Field, Points, bump, soft, step

Capsule = tuple[tuple[float, float, float], tuple[float, float, float], float, float]
# Lateral ventricle of one side as (from, to, radius, radius): frontal horn, body, atrium, horns.
_LATERAL: tuple[Capsule, ...] = (
    ((15.0, -47.0, 3.0), (7.5, -24.0, 12.0), 4.0, 5.2),
    ((7.5, -24.0, 12.0), (12.0, 4.0, 19.0), 5.2, 5.0),
    ((12.0, 4.0, 19.0), (22.0, 27.0, 12.0), 5.0, 6.6),
    ((22.0, 27.0, 12.0), (23.0, 55.0, 4.0), 6.2, 2.8),
    ((22.0, 27.0, 12.0), (35.0, 8.0, -12.0), 5.0, 2.0),
    ((35.0, 8.0, -12.0), (31.0, -16.0, -20.0), 2.0, 1.6),
)


def ventricles(a: Anatomy, p: Points, ax: Field) -> Field:
    """The part of each sample in lateral, third or fourth ventricle or the aqueduct."""
    size = a.ventricle * (1.0 + a.asymmetry * np.sign(p.x))
    nearest = np.full_like(p.x, 99.0)
    low, high = float(p.z.min(initial=99.0)), float(p.z.max(initial=-99.0))
    for start, end, r0, r1 in _LATERAL:
        margin = 2.0 * max(r0, r1)
        if high < min(start[2], end[2]) - margin or low > max(start[2], end[2]) + margin:
            continue
        nearest = np.minimum(nearest, _capsule(ax, p.y, p.z, start, end, r0, r1, size))
    nearest = np.maximum(nearest, 0.9 - ax)
    third = np.maximum(ax - 0.9 - 1.4 * a.ventricle, ellipse(p.y + 6.0, p.z - 1.0, 15.0, 12.0))
    fourth = ax / 8.0 + np.abs(p.y - 29.0) / 6.5 + np.abs(p.z + 35.0) / 15.0
    nearest = np.minimum(np.minimum(nearest, third), (fourth - 1.0) * 5.0)
    aqueduct = _capsule(p.x, p.y, p.z, (0.0, 9.0, -2.0), (0.0, 25.0, -26.0), 1.0, 1.2, 1.0)
    return soft(np.minimum(nearest, aqueduct), 1.0)


def cisterns(a: Anatomy, p: Points, ax: Field, depth: Field) -> Field:
    """Basal cisterns: suprasellar star, ambient ring, quadrigeminal, prepontine, magna."""
    wide = 0.7 + 0.5 * a.sulcus_mm
    angle = np.arctan2(p.x, -(p.y + 13.0))
    reach = 11.0 + 2.8 * np.cos(5.0 * angle) + 1.2 * np.cos(3.0 * angle + a.phases[9])
    star = np.sqrt(p.x * p.x + (p.y + 13.0) ** 2) - reach * wide
    star = np.maximum(star, np.abs(p.z + 18.0) - 5.5)
    stem = _capsule(ax, p.y, p.z, (10.0, -19.0, -16.0), (38.0, -26.0, -11.0), 2.0, 2.4, wide)
    ring = np.sqrt(p.x * p.x + (1.1 * (p.y - 8.0)) ** 2)
    turn = np.arctan2(ax, p.y - 8.0)
    leaf = (1.5 - 1.1 * bump(turn - 0.75, 0.3)) * step(1.9 - turn, 0.15)
    bowed = ring - 17.5 + 1.6 * np.cos(3.0 * turn)
    ambient = np.maximum(np.abs(bowed) - wide * leaf, np.abs(p.z + 9.0) - 9.0)
    ambient = np.where(leaf < 0.15, np.float32(9.0), ambient)
    plate = np.sqrt(
        (p.x / 10.0) ** 2 + ((p.y - 23.0 - 0.02 * p.x * p.x) / 3.6) ** 2 + ((p.z + 2.0) / 8.0) ** 2
    )
    magna = np.sqrt((p.x / 11.0) ** 2 + ((p.y - 56.0) / 9.0) ** 2 + ((p.z + 56.0) / 9.0) ** 2)
    pontine = np.maximum(np.maximum(depth - 3.6 * wide, ax - 16.0), np.maximum(p.z + 20.0, p.y - 26.0))
    nearest = np.minimum(np.minimum(star, stem), np.minimum(ambient, pontine))
    nearest = np.minimum(nearest, (np.minimum(plate, magna) - 1.0) * np.float32(3.6))
    return soft(nearest, 1.2)


def sylvian(p: Points, ax: Field, sulcus_mm: float) -> Field:
    """Distance to the Sylvian fissure: a cleft from the side, and the sheet over the insula."""
    wander = 2.5 * np.sin(0.27 * p.y + 0.2 * ax)
    level = -8.0 + 0.55 * (p.y + 22.0) + wander
    insula_x = 37.0 + 1.3 * np.sin(0.4 * p.y + 0.25 * p.z) + 0.005 * (p.y + 18.0) ** 2
    # The cleft is steep against the slices; dividing by its slope makes the height a distance.
    cleft = np.maximum(np.abs(p.z - level) / 1.3, insula_x - ax)
    cleft = np.maximum(cleft, np.abs(p.y + 12.0) - 30.0) + 0.02 * np.maximum(p.y + 20.0, 0.0)
    sheet = np.maximum(np.abs(ax - insula_x), np.abs(p.z - 5.0) - 13.0)
    sheet = np.maximum(sheet, np.abs(p.y + 18.0) - 19.0)
    return np.minimum(cleft, sheet + 0.3) - 0.5 - 1.0 * sulcus_mm


def _capsule(
    x: Field,
    y: Field,
    z: Field,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    r0: float,
    r1: float,
    size: Field | float,
) -> Field:
    """Signed distance to a tube between two points whose radius goes from r0 to r1."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    ox, oy, oz = x - start[0], y - start[1], z - start[2]
    t = np.clip((ox * dx + oy * dy + oz * dz) / (dx * dx + dy * dy + dz * dz), 0.0, 1.0)
    radius = (r0 + (r1 - r0) * t) * size
    return np.sqrt((ox - t * dx) ** 2 + (oy - t * dy) ** 2 + (oz - t * dz) ** 2) - radius


def ellipse(u: Field, v: Field, ru: float, rv: float) -> Field:
    """Roughly the signed distance in mm to an ellipse at the origin."""
    return (np.sqrt((u / ru) ** 2 + (v / rv) ** 2) - 1.0) * np.float32(min(ru, rv))
