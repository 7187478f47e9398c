"""Synthetic heads for an evaluation: drawn by seed, each bleed with the same head without it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Protocol, cast

from edge.errors import FixConfiguration
from edge.evaluation.command import DEFAULT_GENERATOR
from edge.imaging.phantom import Acquisition, Bleed, BleedType, HeadPhantom, head_phantom

_COVERAGE_MM = 150.0
# Slice distance in mm and how often it is drawn; thickness equals distance.
_SPACINGS_MM = {5.0: 7, 4.0: 5, 2.5: 4, 7.0: 2, 1.5: 2}
_MATRICES = ((512, 0.45), (512, 0.49), (256, 0.9))
_MOST_ML = {
    BleedType.EPIDURAL: 80.0,
    BleedType.SUBDURAL: 120.0,
    BleedType.SUBARACHNOID: 40.0,
    BleedType.INTRAPARENCHYMAL: 100.0,
    BleedType.INTRAVENTRICULAR: 40.0,
}
_LEAST_ML = 0.5


@dataclass(frozen=True)
class SyntheticHead:
    """A phantom and what a report may group it by; `sides` are the patient's, by type, where one-sided."""

    phantom: HeadPhantom
    group: str
    sides: Mapping[BleedType, str]


class Fingerprint(Protocol):
    """A hash of hashlib."""

    def update(self, data: bytes, /) -> None: ...


Generator = Callable[[int, int], Iterator[SyntheticHead]]


def heads(count: int, seed: int) -> Iterator[SyntheticHead]:
    """`count` heads: a bleed, then the same head without it, then the next; types take turns."""
    for i in range(count):
        draw = Random(f"{seed}/{i // 2}")  # noqa: S311 - a case to reproduce, not a secret
        kind = list(BleedType)[(i // 2) % len(BleedType)]
        scan = _acquisition(draw)
        bleeds = _bleeds(kind, draw)
        # A head's seed lies far from those that tests and examples use.
        head = seed * 1_000_003 + i // 2
        if i % 2:
            yield SyntheticHead(head_phantom(head, acquisition=scan), "same head without blood", {})
            continue
        phantom, fitting = _fitting(head, bleeds, scan)
        sides = {b.type: b.side for b in fitting if b.type is not BleedType.INTRAVENTRICULAR}
        yield SyntheticHead(phantom, kind if len(bleeds) == 1 else "mixed", sides)


def fingerprinted(drawn: Iterator[SyntheticHead], fingerprint: Fingerprint) -> Iterator[SyntheticHead]:
    """The same heads; what was asked of the model can be told from other pixels by `fingerprint`."""
    for head in drawn:
        fingerprint.update(head.phantom.voxels_zyx_hu.tobytes())
        fingerprint.update(head.phantom.labels_zyx.tobytes())
        yield head


def generator_named(name: str) -> Generator:
    """`module:function` of (count, seed), also below the working directory; raises FixConfiguration."""
    module, _, function = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        return cast("Generator", getattr(import_module(module), function))
    except (ImportError, AttributeError, ValueError) as error:
        raise FixConfiguration(
            f"--generator {name}: {error}", hint=f"Name an importable function, as {DEFAULT_GENERATOR}."
        ) from error


def _acquisition(draw: Random) -> Acquisition:
    spacing_mm = draw.choices(list(_SPACINGS_MM), weights=list(_SPACINGS_MM.values()))[0]
    size, pixel_mm = draw.choice(_MATRICES)
    return Acquisition(
        rows=size,
        columns=size,
        pixel_spacing_mm=pixel_mm,
        slices=math.ceil(_COVERAGE_MM / spacing_mm),
        spacing_mm=spacing_mm,
        slice_thickness_mm=spacing_mm,
        tilt_deg=draw.choice((0.0, 0.0, 8.0, 15.0, 20.0)),
        noise_hu=draw.uniform(3.5, 7.0),
        padding_hu=draw.choice((-1024, -2048, -3024)),
    )


def _bleeds(kind: BleedType, draw: Random) -> tuple[Bleed, ...]:
    """One bleed, and in every fifth head a second one elsewhere."""
    kinds = [kind]
    if draw.random() < 0.2:
        kinds.append(draw.choice([k for k in BleedType if k is not kind]))
    return tuple(
        Bleed(
            k,
            volume_ml=math.exp(draw.uniform(math.log(_LEAST_ML), math.log(_MOST_ML[k]))),
            age_hours=math.exp(draw.uniform(0.0, math.log(96.0))),
            side=draw.choice(("left", "right")),
        )
        for k in kinds
    )


def _fitting(
    seed: int, bleeds: tuple[Bleed, ...], scan: Acquisition
) -> tuple[HeadPhantom, tuple[Bleed, ...]]:
    """The head with as much of the blood as it has room for."""
    while True:
        try:
            return head_phantom(seed, bleeds=bleeds, acquisition=scan), bleeds
        except ValueError:
            if max(b.volume_ml for b in bleeds) < _LEAST_ML / 4:
                raise
            bleeds = tuple(replace(b, volume_ml=0.6 * b.volume_ml) for b in bleeds)
