from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.evidence import find
from edge.domain.finding import Side
from edge.imaging.laterality import midline
from edge.imaging.phantom import Acquisition, Bleed, BleedType, head_phantom
from tests.builders import BLEED, evidence, header, uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
MIRRORED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING = (1.0, 1.0)


def skull(turn_deg: float, centre: tuple[float, float] = (128.0, 128.0)) -> np.ndarray:
    """An oval of bone 70 by 92 mm in half axes, turned about the vertical."""
    down, along = np.indices((256, 256), dtype=np.float64)
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    y, x = down - centre[0], along - centre[1]
    radius = np.hypot((c * x + s * y) / 70, (c * y - s * x) / 92)
    return np.where(np.abs(radius - 1) < 0.06, 900, 30).astype(np.int16)


@given(st.floats(-35, 35), st.floats(-25, 25), st.floats(-25, 25))
def test_the_line_follows_a_head_that_is_turned_and_off_centre(
    turn: float, down: float, along: float
) -> None:
    found = midline(skull(turn, (128 + down, 128 + along)), SPACING, AXIAL)
    assert found is not None
    assert found.centre_mm == pytest.approx((128 + down, 128 + along), abs=2.5)
    assert found.left == pytest.approx((math.sin(math.radians(turn)), math.cos(math.radians(turn))), abs=0.1)


def test_left_is_where_the_cosines_say() -> None:
    mask = np.zeros((256, 256), bool)
    mask[100:140, 150:180] = True
    head = skull(0)
    assert [m.left_share(mask, SPACING) for c in (AXIAL, MIRRORED) if (m := midline(head, SPACING, c))] == [
        1,
        0,
    ]


def test_a_round_skull_is_split_along_the_patient_axis() -> None:
    down, along = np.indices((256, 256))
    ring = np.abs(np.hypot(down - 128, along - 128) - 60) < 4
    found = midline(np.where(ring, 900, 30).astype(np.int16), SPACING, AXIAL)
    assert found is not None
    assert found.left == pytest.approx((0.0, 1.0))


def test_nothing_is_said_without_bone_or_of_a_sagittal_slice() -> None:
    assert midline(np.zeros((256, 256), np.int16), SPACING, AXIAL) is None
    assert midline(skull(0), SPACING, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)) is None
    found = midline(skull(0), SPACING, AXIAL)
    assert found is not None
    assert math.isnan(found.left_share(np.zeros((256, 256), bool), SPACING))


@pytest.mark.parametrize("side", ["left", "right"])
def test_blood_of_a_phantom_is_on_its_side_in_a_tilted_scan(side: str) -> None:
    scan = Acquisition(256, 256, 0.9, 1, 5.0, 5.0, tilt_deg=15.0)
    bleed = Bleed(BleedType.SUBDURAL, 60.0, side=side)  # type: ignore[arg-type]
    head = head_phantom(7, bleeds=[bleed], acquisition=scan)
    found = midline(head.voxels_zyx_hu[0], (0.9, 0.9), head.image_orientation)
    assert found is not None
    share = found.left_share(head.labels_zyx[0] > 0, (0.9, 0.9))
    assert share == pytest.approx(1.0 if side == "left" else 0.0, abs=0.1)


@pytest.mark.parametrize(
    ("shares", "side"),
    [((1.0, 0.9), Side.LEFT), ((0.1, 0.2), Side.RIGHT), ((1.0, 0.0), Side.BOTH), ((0.7, 0.7), Side.BOTH)],
)
def test_a_finding_has_the_side_of_most_of_its_area(shares: tuple[float, float], side: Side) -> None:
    said = {uid(i): replace(evidence(i, 0.9), left_share={"bleed": s}) for i, s in enumerate(shares)}
    found = find(BLEED, [header(0), header(1)], said)
    assert found is not None
    assert (found.side, found.area_mm2) == (side, 200.0)


def test_a_side_that_nobody_saw_is_unknown() -> None:
    found = find(BLEED, [header(0), header(1)], {uid(i): evidence(i, 0.9) for i in range(2)})
    assert found is not None
    assert found.side is Side.UNKNOWN
