"""Where bleeds of each type occur, how large they get and what they look like, drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_repo.ct_head_hemorrhage.training.anatomy import VENTRICLE, Head
from model_repo.ct_head_hemorrhage.training.bleeds import Blood, Field, roof

Rng = np.random.Generator

# What a type comes with.
COMPANIONS = {
    "epidural": ("subdural", "subarachnoid"),
    "subdural": ("subarachnoid", "subdural"),
    "subarachnoid": ("intraventricular", "intraparenchymal", "subdural"),
    "intraparenchymal": ("intraventricular", "subarachnoid"),
    "intraventricular": ("intraparenchymal",),
}


def draw_blood(kind: str, head: Head, rng: Rng, small: bool | None = None) -> Blood:
    """One bleed of a type at a place where such bleeds occur in this head."""
    small = rng.random() < 0.35 if small is None else small
    surface = _on_vault(head, rng) if kind in ("epidural", "subdural") else _anywhere(head, rng)
    hu = float(np.clip(rng.normal(64, 9), 45, 88))
    return _BY_TYPE[kind](head, rng, small, surface, hu)


def _anywhere(head: Head, rng: Rng) -> Field:
    return head.surface_xyz_mm[rng.integers(len(head.surface_xyz_mm))]


def _on_vault(head: Head, rng: Rng) -> Field:
    """Not on the floor of the middle fossa, where the inner table of an average head is anything but sure."""
    while True:
        surface = _anywhere(head, rng)
        if surface[2] > -28 or surface[1] > 30:
            return surface


def _phases(rng: Rng) -> Field:
    return rng.uniform(0, 6.28, 3).astype(np.float32)


def _size(rng: Rng, small: bool) -> float:
    return float(rng.uniform(0.25, 0.6) if small else rng.uniform(0.6, 1.5))


def _inward(surface: Field) -> Field:
    return -surface / np.linalg.norm(surface)


def _epidural(head: Head, rng: Rng, small: bool, surface: Field, hu: float) -> Blood:
    t = float(np.clip(22 * _size(rng, small) * rng.uniform(0.5, 1.2), 4, 38))
    width = float(t * rng.uniform(1.1, 2.2) + 5)
    mixed = float(rng.choice([0, 0, rng.uniform(5, 30)]))
    push = float(rng.uniform(0.5, 1.0))
    size_mm = (t, width, width)
    # Paler swirls are fresh blood amid clot, and clot is dense.
    hu = max(hu, 42.0 + mixed)
    return Blood("epidural", surface, size_mm, hu, _phases(rng), _inward(surface), mixed=mixed, push=push)


def _subdural(head: Head, rng: Rng, small: bool, surface: Field, hu: float) -> Blood:
    if rng.random() < 0.12:
        centre = np.array([0, rng.uniform(-50, 60), rng.uniform(10, 50)], np.float32)
        # Thinner than this it could as well be the falx.
        size_mm = (float(rng.uniform(3, 8)), float(rng.uniform(20, 50)), float(rng.uniform(12, 35)))
        return Blood("subdural", centre, size_mm, hu, _phases(rng), along="falx")
    if rng.random() < 0.08:
        centre = np.array([rng.choice([-1, 1]) * rng.uniform(15, 35), rng.uniform(25, 60), 0], np.float32)
        size_mm = (float(rng.uniform(3, 8)), float(rng.uniform(15, 35)), float(rng.uniform(20, 40)))
        centre[2] = -0.42 * abs(centre[0]) - 0.16 * max(centre[1] - 25, 0)
        return Blood("subdural", centre, size_mm, hu, _phases(rng), along="tentorium")
    if surface[1] > 8 and surface[2] < roof(surface[None])[0] and rng.random() < 0.67:
        # Under the tentorium it is rare.
        surface = _on_vault(head, rng)
    if abs(surface[0]) < 15:
        surface = surface + np.array([20 if surface[0] > 0 else -20, 0, 0], np.float32)
    # Assumed, of no cohort; a layer thinner than 3 mm drowns in the bone beside it.
    t = float(np.clip(rng.lognormal(*((1.45, 0.25) if small else (2.1, 0.45))), 3, 26))
    form, sunk = rng.random(), rng.random() < 0.15
    old = form < 0.14
    mixed = float(rng.uniform(8, 35)) if form > 0.65 else 0.0
    level = float(rng.uniform(5, 30)) if sunk and not old else 0.0
    if old:
        # Weeks old and hardly denser than brain: what they push aside tells. By then they have grown.
        hu, t = float(rng.uniform(36, 48)), max(t, 6.0)
    elif mixed or level:
        # Fresh blood amid old, or clot that sank in it: the one is as dense as ever.
        hu = max(hu, 55.0)
    extent = float(rng.uniform(20, 45) + 3.5 * t)
    return Blood(
        "subdural",
        surface,
        (t, extent, extent * float(rng.uniform(0.5, 0.9))),
        hu,
        _phases(rng),
        _inward(surface),
        mixed=mixed,
        level=level,
        push=float(rng.uniform(0.8, 1.0) if old else rng.uniform(0.4, 1.0)),
    )


def _subarachnoid(head: Head, rng: Rng, small: bool, surface: Field, hu: float) -> Blood:
    centre = surface + _inward(surface) * rng.uniform(0, 12)
    if rng.random() < 0.4:
        centre = np.array([rng.normal(0, 12), rng.normal(-16, 12), rng.normal(-16, 8)])
    r = float(rng.uniform(9, 22) if small else rng.uniform(20, 70))
    size_mm = (r, r * float(rng.uniform(0.7, 1.3)), r * float(rng.uniform(0.6, 1.1)))
    fill = float(rng.uniform(0.85, 1.0))
    # Thinner than this it is as dense as brain, and then neither a radiologist nor a network could tell.
    hu = max(hu, float(rng.uniform(56, 70)))
    middle = centre.astype(np.float32)
    return Blood("subarachnoid", middle, size_mm, hu, _phases(rng), edge_mm=10.0, fill=fill)


def _intraparenchymal(head: Head, rng: Rng, small: bool, surface: Field, hu: float) -> Blood:
    centre = head.inside_xyz_mm[rng.integers(len(head.inside_xyz_mm))]
    place = rng.random()
    if place < 0.3:
        # Basal ganglia and thalamus, where hypertension bleeds.
        side = rng.choice([-1, 1])
        centre = np.array([side * rng.normal(26, 5), rng.normal(-10, 12), rng.normal(4, 7)], np.float32)
    elif place < 0.5:
        # Contusions lie under the surface.
        centre = (surface + _inward(surface) * rng.uniform(4, 12)).astype(np.float32)
    a, b, c = (float(v) for v in 17.0 * _size(rng, small) * rng.uniform(0.75, 1.3, 3))
    return Blood(
        "intraparenchymal",
        centre,
        (a, b, c),
        hu,
        _phases(rng),
        edge_mm=float(rng.uniform(1.0, 3.5)),
        mixed=float(rng.uniform(5, 25)) if rng.random() < 0.3 else 0.0,
        level=float(rng.uniform(5, 30)) if rng.random() < 0.08 else 0.0,
        push=float(rng.uniform(0.4, 1.0)),
        oedema_mm=float(rng.uniform(0, 4 if small else 9)),
    )


def _intraventricular(head: Head, rng: Rng, small: bool, surface: Field, hu: float) -> Blood:
    wet = np.argwhere(head.fields_zyxc[::2, ::2, ::2, VENTRICLE] > 600)
    at = 2 * wet[rng.integers(len(wet))] * np.array(head.spacing_zyx_mm) + np.array(head.origin_zyx_mm)
    centre = at[::-1].astype(np.float32)
    along = 0.95 * centre[1] - 0.25 * centre[2]
    r = float(rng.uniform(6, 14) if small else rng.uniform(12, 50))
    cast = bool(rng.random() < 0.5)
    # Either a cast around a place, or a level of blood that sank to the back.
    level = 200.0 if cast else float(along - rng.uniform(0, 6))
    fill = float(rng.uniform(0.7, 1.0))
    return Blood(
        "intraventricular", centre, (r, r, r), hu - 3, _phases(rng),
        edge_mm=3.0, mixed=float(cast), level=level, fill=fill,
    )  # fmt: skip


_BY_TYPE: dict[str, Callable[[Head, Rng, bool, Field, float], Blood]] = {
    "epidural": _epidural,
    "subdural": _subdural,
    "subarachnoid": _subarachnoid,
    "intraparenchymal": _intraparenchymal,
    "intraventricular": _intraventricular,
}
