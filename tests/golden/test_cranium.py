"""What looks like a head from its cross-section alone and is none: no skull around a brain, no negative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.domain.contiguity import geometry_of
from edge.domain.eligibility import uncovered
from edge.imaging.coverage import cranial_area_mm2, head_area_mm2
from edge.imaging.phantom import Acquisition, head_phantom
from tests.builders import ANY_HEAD_CT, header

SIZE, SPACING_MM, STEP_MM, SLICES = 160, 1.5, 10.0, 16
Cut = NDArray[np.int16]
AIR, FAT, WATER, MUSCLE, LUNG, SPONGY, CORTEX = -1000, -90, 0, 55, -820, 180, 900


def canvas(padding_hu: int = AIR) -> Cut:
    return np.full((SIZE, SIZE), padding_hu, np.int16)


def oval(cut: Cut, hu: int, x_mm: float, y_mm: float, rx_mm: float, ry_mm: float) -> None:
    """From the centre of the field, x to the left of the patient, y to the back."""
    y, x = (np.indices(cut.shape) - SIZE / 2) * SPACING_MM
    cut[((x - x_mm) / max(rx_mm, 0.1)) ** 2 + ((y - y_mm) / max(ry_mm, 0.1)) ** 2 <= 1] = hu


def bone(cut: Cut, x_mm: float, y_mm: float, r_mm: float, inside: int = FAT) -> None:
    oval(cut, CORTEX, x_mm, y_mm, r_mm, r_mm)
    oval(cut, inside, x_mm, y_mm, r_mm * 0.6, r_mm * 0.6)


def thigh(cut: Cut, height: float) -> None:
    r = 85 * (1 - 0.75 * height**2)
    oval(cut, FAT, 0, 0, r, r)
    oval(cut, MUSCLE, 0, 0, r * 0.8, r * 0.8)
    bone(cut, 4, 6, 15)


def thighs(cut: Cut, height: float) -> None:
    r = 55 * (1 - 0.6 * height**2)
    for x in (-58, 58):
        oval(cut, FAT, x, 0, r, r)
        oval(cut, MUSCLE, x, 0, r * 0.85, r * 0.85)
        bone(cut, x, 0, 14)


def shank(cut: Cut, height: float) -> None:
    r = 62 * (1 - 0.7 * height**2)
    oval(cut, MUSCLE, 0, 0, r, r)
    bone(cut, -10, -15, 14)
    bone(cut, 24, 10, 7)


def neck(cut: Cut, height: float) -> None:
    r = 75 * (1 - 0.5 * height**2)
    oval(cut, MUSCLE, 0, 0, r, r)
    bone(cut, 0, 25, 18, SPONGY)
    oval(cut, AIR, 0, -10, 9, 7)
    for t in np.linspace(-2.4, -0.7, 14):  # the jaw, open to the back
        oval(cut, CORTEX, 55 * np.cos(t), 55 * np.sin(t) + 5, 6, 6)


def chest(cut: Cut, height: float) -> None:
    r = 1 - 0.6 * height**2
    oval(cut, MUSCLE, 0, 0, 115 * r, 82 * r)
    oval(cut, CORTEX, 0, 0, 104 * r, 74 * r)
    oval(cut, MUSCLE, 0, 0, 96 * r, 66 * r)
    for x in (-45, 45):
        oval(cut, LUNG, x * r, 0, 44 * r, 58 * r)
    bone(cut, 0, 55 * r, 18, SPONGY)


def pelvis(cut: Cut, height: float) -> None:
    r = 1 - 0.6 * height**2
    oval(cut, FAT, 0, 0, 118 * r, 90 * r)
    oval(cut, MUSCLE, 0, 0, 105 * r, 76 * r)
    oval(cut, CORTEX, 0, 0, 69 * r, 51 * r)
    oval(cut, MUSCLE, 0, 0, 55 * r, 37 * r)


def liver(cut: Cut, height: float) -> None:
    """Lower ribs around soft tissue, in front as well, as when their cartilage is calcified: the hardest."""
    r = 1 - 0.4 * height**2
    oval(cut, FAT, 0, 0, 117 * r, 92 * r)
    for t in np.linspace(0, 2 * np.pi, 12)[:-1]:
        for along in np.linspace(-0.1, 0.1, 6):  # a rib is cut along some 20 to 40 mm
            oval(cut, CORTEX, 104 * r * np.cos(t + along), 82 * r * np.sin(t + along), 4, 4)
    oval(cut, MUSCLE, 0, 0, 100 * r, 78 * r)
    bone(cut, 0, 60 * r, 18, SPONGY)


def water_phantom(cut: Cut, height: float) -> None:
    r = 100 * (1 - 0.7 * height**2)
    oval(cut, 120, 0, 0, r, r)
    oval(cut, WATER, 0, 0, r - 5, r - 5)


def water_in_bone(cut: Cut, height: float) -> None:
    """A ring of hydroxyapatite or Teflon around water, as sold for calibration."""
    r = 90 * (1 - 0.7 * height**2)
    oval(cut, CORTEX, 0, 0, r, r)
    oval(cut, WATER, 0, 0, r - 8, r - 8)


def head(cut: Cut, height: float) -> None:
    r = max(0.1, 1 - height**2) ** 0.5
    oval(cut, MUSCLE, 0, 0, 82 * r, 98 * r)
    if height < 0.1:  # under the skull base
        bone(cut, 0, 40, 20)
        return
    oval(cut, CORTEX, 0, 0, 76 * r, 92 * r)
    oval(cut, 32, 0, 0, 69 * r, 85 * r)
    for x in (-9, 9):
        oval(cut, 8, x * r, 0, 6 * r, 22 * r)


def said_of(
    body: Callable[[Cut, float], None], *, padding_hu: int = AIR, noise_hu: float = 0.0, seed: int = 0
) -> str | None:
    """What bars a negative of a whole series that tapers to its top, by its pixels alone."""
    rng = np.random.default_rng(seed)
    slices = []
    for k in range(SLICES):
        cut = canvas()
        body(cut, k / SLICES)
        grainy = cut + rng.normal(0, noise_hu, cut.shape) * (cut > -900)
        cut = grainy.round().astype(np.int16)
        y, x = np.indices(cut.shape) - SIZE / 2
        cut[x**2 + y**2 > (SIZE / 2) ** 2] = padding_hu
        spacing = (SPACING_MM, SPACING_MM)
        areas = head_area_mm2(cut, spacing), cranial_area_mm2(cut, spacing)
        slices.append(
            replace(
                header(k, step_mm=STEP_MM, body_part_examined=""),
                head_area_mm2=areas[0],
                cranial_area_mm2=areas[1],
            )
        )
    return uncovered(geometry_of(slices), ANY_HEAD_CT)


OTHERS = [thigh, thighs, shank, neck, chest, pelvis, liver, water_phantom, water_in_bone]


@pytest.mark.parametrize("body", OTHERS, ids=lambda body: body.__name__)
@pytest.mark.parametrize("noise_hu", [0.0, 12.0])
def test_what_is_no_head_is_no_cranium(body: Callable[[Cut, float], None], noise_hu: float) -> None:
    assert said_of(body, noise_hu=noise_hu) in {"no_cranium", "no_head"}


@pytest.mark.parametrize("body", [thigh, thighs, shank, neck, water_phantom, water_in_bone])
def test_these_would_pass_for_a_head_by_their_outline_alone(body: Callable[[Cut, float], None]) -> None:
    """What this file is about: without the skull nothing else bars a negative of them."""
    assert said_of(body) == "no_cranium"


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from([-1000, -1024, -2048, -3024]),
    st.floats(0, 15),
    st.integers(0, 2**31),
)
def test_a_head_is_one_whatever_the_padding_and_the_noise(padding: int, noise: float, seed: int) -> None:
    assert said_of(head, padding_hu=padding, noise_hu=noise, seed=seed) is None


@settings(max_examples=4, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([-1024, -2048, -3024]),
    st.sampled_from([-30.0, -18.5, 0.0, 18.5, 30.0]),
)
def test_a_synthetic_head_is_one_in_every_tilt_and_padding(seed: int, padding: int, tilt: float) -> None:
    scan = Acquisition(
        rows=128,
        columns=128,
        pixel_spacing_mm=1.8,
        slices=30,
        spacing_mm=5.0,
        slice_thickness_mm=5.0,
        tilt_deg=tilt,
        padding_hu=padding,
    )
    voxels_zyx_hu = head_phantom(seed, acquisition=scan).voxels_zyx_hu
    areas = [cranial_area_mm2(cut, (1.8, 1.8)) for cut in voxels_zyx_hu]
    assert sum(areas) * 5.0 / 1000 > 2 * ANY_HEAD_CT.min_cranial_ml


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-18.5, 0.0, 18.5]), st.data())
def test_a_synthetic_head_cut_short_at_either_end_is_not_covered(
    seed: int, tilt: float, data: st.DataObject
) -> None:
    """Slices that follow each other without a gap and end with a polite release, as of half a head."""
    scan = Acquisition(128, 128, 1.8, slices=30, spacing_mm=5.0, slice_thickness_mm=5.0, tilt_deg=tilt)
    slices = [
        header(
            k,
            head_area_mm2=head_area_mm2(cut, (1.8, 1.8)),
            cranial_area_mm2=cranial_area_mm2(cut, (1.8, 1.8)),
        )
        for k, cut in enumerate(head_phantom(seed, acquisition=scan).voxels_zyx_hu)
    ]
    assert uncovered(geometry_of(slices), ANY_HEAD_CT) is None
    assert uncovered(geometry_of(slices[: data.draw(st.integers(2, 25))]), ANY_HEAD_CT)
    assert uncovered(geometry_of(slices[data.draw(st.integers(8, 28)) :]), ANY_HEAD_CT)


def test_a_slice_smaller_than_a_block_holds_nothing() -> None:
    assert cranial_area_mm2(np.zeros((3, 3), np.int16), (1.0, 1.0)) == 0.0
