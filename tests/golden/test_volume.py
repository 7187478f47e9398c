"""Volume by area times extent, given a perfect mask, against what the phantom was filled with."""

from __future__ import annotations

import numpy as np
import pytest

from edge.domain.evidence import SliceEvidence, find
from edge.domain.series import Slab
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from tests.builders import BLEED, header, uid


@pytest.mark.parametrize("thickness_mm", [1.5, 3.0, 5.0, 7.0])
@pytest.mark.parametrize(
    ("kind", "volume_ml"),
    [(BleedType.INTRAPARENCHYMAL, 6.0), (BleedType.EPIDURAL, 30.0), (BleedType.SUBDURAL, 90.0)],
)
def test_a_perfect_mask_gives_the_volume(kind: BleedType, volume_ml: float, thickness_mm: float) -> None:
    scan = Acquisition(
        rows=200,
        columns=200,
        pixel_spacing_mm=1.1,
        slices=int(110 / thickness_mm),
        spacing_mm=thickness_mm,
        slice_thickness_mm=thickness_mm,
    )
    head = head_phantom(11, bleeds=[Bleed(kind, volume_ml)], acquisition=scan)
    areas = np.count_nonzero(head.labels_zyx, axis=(1, 2)) * scan.pixel_spacing_mm**2
    slices = [header(i, step_mm=thickness_mm) for i in range(scan.slices)]
    said = {
        uid(i): SliceEvidence(
            Slab(uid(i), (uid(i),)), {"bleed": 0.9 if area else 0.0}, {"bleed": float(area)}
        )
        for i, area in enumerate(areas)
    }
    found = find(BLEED, slices, said)
    assert found is not None
    assert found.volume_ml == pytest.approx(head.blood_ml[kind], rel=0.1)
    assert head.blood_ml[kind] == pytest.approx(volume_ml, rel=0.12)
    assert found.key_slice == uid(int(areas.argmax()))
    assert found.area_mm2 == pytest.approx(areas.max())
