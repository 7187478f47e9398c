"""Bone and everything outside it: skull, scalp, face, air spaces and the holder under the head."""

from __future__ import annotations

import numpy as np

from edge.imaging.phantom_anatomy import (
    Anatomy,
    Field,
    Points,
    Shell,
    bump,
    skin_distance,
    soft,
    step,
)

AIR_HU, MUSCLE_HU, CORTICAL_HU, DIPLOE_HU = -1000.0, 52.0, 1450.0, 520.0
FACE_TOP = -4.0


def outside_cavity(a: Anatomy, p: Points, shell: Shell) -> Field:
    """HU of samples outside the cavity: bone, soft tissue, air spaces, air."""
    over_vault, under_base, base_mm = shell.over_vault, shell.under_base, shell.base_mm
    skin = skin_distance(p)
    thick = skull_thickness(a, p, shell.rho)
    low = p.z.size > 0 and float(p.z.min()) < FACE_TOP
    texture = _weave(a, p, 0.83)
    beside_bone = np.where(under_base > 3.0, np.float32(40.0), over_vault - thick)
    hu = _soft_tissue(a, p, skin, beside_bone, texture)
    # Below the floor the vault shell ends where the base takes over.
    vaulted = np.abs(over_vault - 0.5 * thick) - 0.5 * thick
    bone = np.where(under_base > base_mm + 3.0, np.float32(99.0), vaulted)
    if low:
        floor = np.abs(under_base - 0.5 * base_mm) - 0.5 * base_mm
        bone = np.minimum(bone, np.maximum(floor, over_vault - 0.5 * thick))
        bone = np.minimum(bone, _facial_bone(p))
    # Two tables around the diploe; thin bone has none.
    table = 1.5 + 0.25 * texture
    marrow = soft(bone + table, 0.8)
    spongy = DIPLOE_HU + 130.0 * texture + 500.0 * shell.petrous
    bone_hu = CORTICAL_HU * (1.0 - marrow) + spongy * marrow
    part = soft(bone, 0.9)
    hu = hu * (1.0 - part) + bone_hu * part
    if low:
        hu = _air_spaces(a, p, _orbits(a, p, hu), skin)
    outside = soft(-skin, 0.9)
    return hu * (1.0 - outside) + AIR_HU * outside


def skull_thickness(a: Anatomy, p: Points, rho: Field) -> Field:
    """Thickness of the vault in mm: thin at the temples, thick at forehead and occiput."""
    lateral = np.abs(p.x) / (70.0 * rho)
    lateral = lateral * lateral
    ends = p.y / (84.0 * rho)
    waves = np.sin(0.06 * p.x + a.phases[0]) * np.sin(0.05 * p.y + a.phases[1])
    squama = lateral * bump(p.z + 8.0, 30.0)
    return a.skull_mm * (1.0 + 0.25 * ends * ends - 0.45 * squama + 0.1 * waves)


def _weave(a: Anatomy, p: Points, per_mm: float) -> Field:
    """An irregular texture between -1 and 1."""
    u = np.sin(per_mm * p.x + a.phases[2] + 0.9 * np.sin(0.5 * per_mm * p.y))
    v = np.sin(per_mm * 0.9 * p.y + a.phases[3] + 0.9 * np.sin(0.6 * per_mm * p.z))
    w = np.sin(per_mm * 0.8 * p.z + a.phases[4] + 0.9 * np.sin(0.4 * per_mm * p.x))
    return (u * v + v * w + w * u) * np.float32(0.5)


def _soft_tissue(a: Anatomy, p: Points, skin: Field, over_bone: Field, texture: Field) -> Field:
    """Skin, fat, and muscle where there is room for it: temples, neck and face."""
    strands = _weave(a, p, 0.16)
    room = over_bone - skin
    temple = 0.45 * np.clip(room - 7.5, 0.0, 16.0) * step(p.z + 45.0, 5.0)
    muscle = soft(over_bone - 1.0 - temple, 1.2)
    deep = step(-skin - 7.0, 1.5) * step(np.abs(strands) - 0.06, 0.035)
    muscle = np.maximum(muscle, deep * step(-p.z - 20.0, 6.0))
    flesh = MUSCLE_HU + 6.0 * texture
    fat = a.fat_hu + 8.0 * texture
    hu = flesh * muscle + fat * (1.0 - muscle)
    dermis = soft(-skin - 2.1, 0.8)
    return hu * (1.0 - dermis) + 48.0 * dermis


def _facial_bone(p: Points) -> Field:
    """Signed distance to walls of orbits and nose, cheekbones, jaw joint and the upper spine."""
    ax = np.abs(p.x)
    cone = _orbit_cone(p)
    wall = np.maximum(np.abs(cone - 1.0) - 0.9, p.y + 30.0)
    wall = np.maximum(wall, -80.0 - p.y)
    cheek = _ellipsoid(ax - 52.0, p.y + 62.0, p.z + 50.0, 5.0, 14.0, 10.0)
    joint = _ellipsoid(ax - 52.0, p.y + 2.0, p.z + 56.0, 9.0, 6.0, 10.0)
    septum = np.maximum(np.maximum(ax - 0.8, np.abs(p.y + 62.0) - 24.0), p.z + 32.0)
    ring = np.abs(np.sqrt(p.x * p.x * 0.6 + (p.y - 35.0) ** 2) - 15.0) - 4.0
    spine = np.maximum(ring, p.z + 74.0)
    out = np.minimum(np.minimum(wall, cheek), np.minimum(joint, septum))
    return np.minimum(out, spine)


def _orbit_cone(p: Points) -> Field:
    """Signed distance to the orbit, a cone whose apex points back and inwards."""
    ax = np.abs(p.x)
    along = np.clip((-p.y - 28.0) / 46.0, 0.0, 1.3)
    across = ax - (16.0 + 17.0 * along)
    up = p.z + 38.0 - 1.0 * along
    return np.sqrt(across * across + up * up) - (5.0 + 14.0 * np.minimum(along, 1.0))


def _orbits(a: Anatomy, p: Points, hu: Field) -> Field:
    """Fat, eyeball, optic nerve and muscles in front of the sphenoid."""
    ax = np.abs(p.x)
    inside = soft(np.maximum(_orbit_cone(p), p.y + 30.0), 0.8)
    content = np.full_like(hu, a.fat_hu)
    nerve = np.abs(ax - 16.0 + 0.37 * (p.y + 28.0)) + 0.8 * np.abs(p.z + 38.0) - 2.6
    muscle = np.abs(_orbit_cone(p) + 3.5) - 1.5
    muscle = np.maximum(muscle, 0.9 * np.minimum(np.abs(p.z + 38.0), 14.0) - 5.0)
    flesh = soft(np.minimum(nerve, muscle), 1.0)
    content = content * (1.0 - flesh) + 42.0 * flesh
    ball = _ellipsoid(ax - 32.0, p.y + 74.0, p.z + 38.0, 12.0, 12.5, 12.0)
    eye = soft(ball, 0.8)
    sclera = soft(np.abs(ball + 0.7) - 0.7, 0.8)
    lens = soft(_ellipsoid(ax - 32.0, p.y + 82.5, p.z + 38.0, 4.5, 2.0, 4.5), 0.8)
    inner = 9.0 + 45.0 * sclera + 75.0 * lens
    hu = hu * (1.0 - inside) + content * inside
    return hu * (1.0 - eye) + inner * eye


def _air_spaces(a: Anatomy, p: Points, hu: Field, skin: Field) -> Field:
    """Sinuses, nasal cavity, mastoid cells and ear canals."""
    ax = np.abs(p.x)
    cells = _weave(a, p, 1.1)
    lamella = _weave(a, p, 0.55)
    sphenoid = np.maximum(_ellipsoid(ax - 8.0, p.y + 20.0, p.z + 44.0, 7.5, 11.0, 9.0), 0.8 - ax)
    ethmoid = _ellipsoid(ax - 5.5, p.y + 52.0, p.z + 40.0, 5.5, 24.0, 13.0)
    ethmoid = np.maximum(ethmoid, 1.0 - ax + 0.4)
    frontal = _ellipsoid(ax - 11.0, p.y + 84.0, p.z + 20.0, 10.0 + 5.0 * a.asymmetry, 3.2, 12.0)
    maxillary = _ellipsoid(ax - 28.0, p.y + 56.0, p.z + 74.0, 13.0, 16.0, 15.0)
    nose = np.maximum(_ellipsoid(ax - 6.0, p.y + 58.0, p.z + 72.0, 5.0, 32.0, 22.0), 1.0 - ax)
    pharynx = _ellipsoid(p.x, p.y + 14.0, p.z + 78.0, 13.0, 10.0, 16.0)
    canal = np.maximum(np.sqrt((p.y - 9.0) ** 2 + (p.z + 46.0) ** 2) - 2.6, np.abs(ax - 55.0) - 12.0)
    open_air = np.minimum(np.minimum(sphenoid, frontal), np.minimum(maxillary, nose))
    open_air = np.minimum(open_air, pharynx)
    honey = np.maximum(ethmoid, -0.25 - lamella)
    mastoid = _ellipsoid(ax - 55.0, p.y - 27.0, p.z + 46.0, 9.0, 12.0, 16.0)
    pores = np.maximum(mastoid, (0.05 - cells) * 1.5)
    bone = soft(np.minimum(mastoid, ethmoid), 1.0)
    hu = hu * (1.0 - bone) + np.maximum(hu, 480.0 + 250.0 * cells) * bone
    rim = soft(np.abs(open_air - 0.7) - 0.7, 0.8)
    hu = hu * (1.0 - rim) + np.maximum(hu, np.float32(420.0)) * rim * step(-skin - 4.0, 1.0)
    air = np.maximum(soft(np.minimum(open_air, canal), 0.7), 0.92 * soft(np.minimum(honey, pores), 0.6))
    return hu * (1.0 - air) + AIR_HU * air


def _ellipsoid(x: Field, y: Field, z: Field, rx: float, ry: float, rz: float) -> Field:
    """Roughly the signed distance in mm to an ellipsoid at the origin."""
    rho = np.sqrt((x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2)
    return (rho - 1.0) * np.float32(min(rx, ry, rz))


def holder(x_mm: Field, y_mm: Field) -> Field:
    """HU of the head holder in scanner coordinates: a thin shell below the head, foam inside it."""
    radius = np.sqrt((x_mm / 104.0) ** 2 + (y_mm / 110.0) ** 2)
    gap = 104.0 * (radius - 1.0)
    low = step(y_mm - 12.0, 1.0)
    shell = soft(np.abs(gap) - 1.1, 0.8) * low
    foam = soft(gap, 1.5) * step(y_mm - 62.0, 1.0)
    return AIR_HU + 55.0 * foam + shell * (1120.0 - 55.0 * foam)
