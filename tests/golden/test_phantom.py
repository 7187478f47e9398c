"""The synthetic head: true HU, bleeds of the volume asked for, sampling like a scanner's."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from edge.imaging.geometry import SlicePlane, offset_along_normal_mm, slice_normal, tilt_deg
from edge.imaging.phantom import Acquisition, Bleed, BleedType, HeadPhantom, head_phantom

SMALL = Acquisition(rows=96, columns=96, pixel_spacing_mm=2.4, slices=16, spacing_mm=9.0)
VOLUME_ML = {
    BleedType.EPIDURAL: 40.0,
    BleedType.SUBDURAL: 70.0,
    BleedType.SUBARACHNOID: 25.0,
    BleedType.INTRAPARENCHYMAL: 35.0,
    BleedType.INTRAVENTRICULAR: 20.0,
}


@cache
def bleeding(kind: BleedType, age_hours: float = 2.0) -> HeadPhantom:
    scan = Acquisition(rows=80, columns=80, pixel_spacing_mm=2.8, slices=24, spacing_mm=6.0)
    return head_phantom(3, bleeds=[Bleed(kind, VOLUME_ML[kind], age_hours)], acquisition=scan)


@cache
def healthy(seed: int = 3) -> HeadPhantom:
    return head_phantom(seed, acquisition=SMALL)


@cache
def fine_mid_slices(thickness_mm: float = 4.0, noise_hu: float = 0.0) -> HeadPhantom:
    scan = Acquisition(
        rows=256,
        columns=256,
        pixel_spacing_mm=0.9,
        slices=3,
        spacing_mm=6.0,
        slice_thickness_mm=thickness_mm,
        noise_hu=noise_hu,
    )
    return head_phantom(3, acquisition=scan)


def planes(head: HeadPhantom) -> list[SlicePlane]:
    o, mm = head.image_orientation, head.acquisition.pixel_spacing_mm
    return [
        SlicePlane((float(x), float(y), float(z)), o[:3], o[3:], (mm, mm))
        for x, y, z in head.image_positions_lps_mm
    ]


def test_a_seed_gives_the_same_head_every_time() -> None:
    again = head_phantom(3, acquisition=SMALL)
    assert np.array_equal(again.voxels_zyx_hu, healthy(3).voxels_zyx_hu)
    assert np.array_equal(again.image_positions_lps_mm, healthy(3).image_positions_lps_mm)


def test_another_seed_gives_another_head() -> None:
    differ = healthy(3).voxels_zyx_hu != healthy(4).voxels_zyx_hu
    bone = (healthy(3).voxels_zyx_hu > 300) != (healthy(4).voxels_zyx_hu > 300)
    assert differ.mean() > 0.2
    assert bone.sum() > 500


def test_a_head_without_a_bleed_has_no_label_and_no_blood() -> None:
    assert not healthy().labels_zyx.any()
    assert healthy().blood_ml == dict.fromkeys(BleedType, 0.0)
    assert healthy().voxels_zyx_hu.dtype == np.int16
    assert healthy().labels_zyx.dtype == np.uint8


def test_tissues_have_their_hu() -> None:
    hu = fine_mid_slices().voxels_zyx_hu[1].astype(float)
    middle = hu[100:150, 80:176]
    brain = middle[(middle > 15) & (middle < 60)]
    low, high = np.percentile(brain, [25, 90])
    assert 26 <= low <= 31, "white matter"
    assert 35 <= high <= 43, "grey matter"
    assert np.percentile(middle, 1) < 14, "fluid"
    assert 1100 < np.percentile(hu[hu > 300], 90) < 1700, "tables of the skull"
    assert 300 < np.percentile(hu[hu > 300], 10) < 800, "diploe and its edges"
    assert ((hu > -110) & (hu < -60)).sum() > 300, "fat of the scalp"
    assert hu[100:120, 14:26].mean() == pytest.approx(-1000, abs=5), "air beside the head"


def test_outside_the_circle_of_reconstruction_is_padding() -> None:
    head = head_phantom(3, acquisition=Acquisition(rows=64, columns=64, slices=2, padding_hu=-1500))
    assert (head.voxels_zyx_hu[:, 0, 0] == -1500).all()
    assert head.voxels_zyx_hu[:, 32, 32].min() > -1100


def test_default_spacing_covers_the_head_up_to_air_above_the_vertex() -> None:
    bone = (healthy().voxels_zyx_hu > 300).sum(axis=(1, 2))
    body = (healthy().voxels_zyx_hu > -300).sum(axis=(1, 2))
    assert body[-1] < 0.1 * body.max()
    assert (bone[:-3] > 100).all()


@pytest.mark.parametrize("kind", list(BleedType))
def test_a_bleed_has_the_volume_asked_for(kind: BleedType) -> None:
    head = bleeding(kind)
    assert head.blood_ml[kind] == pytest.approx(VOLUME_ML[kind], rel=0.1)
    assert sum(head.blood_ml.values()) == head.blood_ml[kind]
    assert set(np.unique(head.labels_zyx)) == {0, kind.label}


@pytest.mark.parametrize("kind", list(BleedType))
def test_fresh_blood_is_denser_than_brain(kind: BleedType) -> None:
    head = bleeding(kind)
    middle = np.median(head.voxels_zyx_hu[head.labels_zyx > 0])
    # Voxels of 2.8 mm mix the thin sheets with fluid on one side and bone on the other.
    low, high = (45, 75) if kind is BleedType.SUBARACHNOID else (55, 85)
    assert low < middle < high


def test_blood_pales_until_it_is_darker_than_brain() -> None:
    def density(age_hours: float) -> float:
        head = bleeding(BleedType.INTRAPARENCHYMAL, age_hours)
        return float(np.median(head.voxels_zyx_hu[head.labels_zyx > 0]))

    assert density(24.0) > density(2.0)
    assert 30 < density(14 * 24.0) < 50
    assert density(30 * 24.0) < 28


@pytest.mark.parametrize("kind", [BleedType.EPIDURAL, BleedType.SUBDURAL, BleedType.INTRAPARENCHYMAL])
def test_left_is_the_patients_left_in_lps(kind: BleedType) -> None:
    columns = np.nonzero(bleeding(kind).labels_zyx)[2]
    assert (columns > 40).mean() > 0.97


def test_epidural_is_a_lens_and_subdural_a_crescent() -> None:
    def thickness_to_length(kind: BleedType) -> float:
        labels = bleeding(kind).labels_zyx > 0
        biggest = labels[int(np.argmax(labels.sum(axis=(1, 2))))]
        length = np.ptp(np.nonzero(biggest)[0]) + 1
        return float(biggest.sum(axis=1).max() / length)

    assert thickness_to_length(BleedType.EPIDURAL) > 0.3
    assert thickness_to_length(BleedType.SUBDURAL) < 0.2


def test_intraventricular_blood_settles_at_the_back() -> None:
    rows = np.nonzero(bleeding(BleedType.INTRAVENTRICULAR).labels_zyx)[1]
    assert np.median(rows) > 40


def test_blood_without_room_is_refused_with_the_room_there_is() -> None:
    with pytest.raises(ValueError, match=r"does not fit: this head has room for \d+ mL"):
        head_phantom(3, bleeds=[Bleed(BleedType.SUBARACHNOID, 200.0)] * 2, acquisition=SMALL)


@pytest.mark.parametrize("volume_ml", [0.0, -1.0, math.nan, 251.0])
def test_an_impossible_volume_is_refused(volume_ml: float) -> None:
    with pytest.raises(ValueError, match="volume_ml"):
        Bleed(BleedType.EPIDURAL, volume_ml)


def test_an_impossible_acquisition_is_refused() -> None:
    with pytest.raises(ValueError, match="tilt_deg"):
        Acquisition(tilt_deg=60.0)
    with pytest.raises(ValueError, match="positive"):
        Acquisition(spacing_mm=0.0)


@pytest.mark.parametrize("tilt", [-20.0, 0.0, 18.5])
def test_slices_stand_spacing_apart_along_their_normal(tilt: float) -> None:
    scan = Acquisition(rows=32, columns=32, pixel_spacing_mm=7.0, slices=5, spacing_mm=6.0, tilt_deg=tilt)
    found = planes(head_phantom(3, acquisition=scan))
    normal = slice_normal(found[0])
    offsets = [offset_along_normal_mm(plane, normal) for plane in found]
    assert np.diff(offsets) == pytest.approx([6.0] * 4)
    assert tilt_deg(found[0]) == ("axial", pytest.approx(abs(tilt)))


def test_tilted_slices_show_the_same_head_at_the_same_place() -> None:
    bleed = [Bleed(BleedType.INTRAPARENCHYMAL, 40.0)]

    def centre(tilt: float) -> np.ndarray:
        scan = Acquisition(rows=72, columns=72, pixel_spacing_mm=3.2, slices=24, tilt_deg=tilt)
        head = head_phantom(3, bleeds=bleed, acquisition=scan)
        z, y, x = np.nonzero(head.labels_zyx)
        o = np.array(head.image_orientation)
        at = head.image_positions_lps_mm[z] + 3.2 * (x[:, None] * o[:3] + y[:, None] * o[3:])
        return at.mean(axis=0)

    assert centre(15.0) == pytest.approx(centre(0.0), abs=1.5)


def test_thicker_slices_are_less_noisy() -> None:
    def noise(thickness_mm: float) -> float:
        noisy = fine_mid_slices(thickness_mm, 5.0).voxels_zyx_hu[1].astype(float)
        clean = fine_mid_slices(thickness_mm, 0.0).voxels_zyx_hu[1].astype(float)
        return float((noisy - clean)[110:146, 110:146].std())

    assert noise(4.0) == pytest.approx(5.0, rel=0.15)
    assert noise(1.0) == pytest.approx(10.0, rel=0.15)


def test_thick_slices_mix_what_lies_within_them() -> None:
    thin, thick = (fine_mid_slices(mm).voxels_zyx_hu[1].astype(float) for mm in (1.0, 10.0))
    inner = (slice(90, 160), slice(90, 160))
    assert np.abs(np.diff(thick[inner])).mean() < 0.95 * np.abs(np.diff(thin[inner])).mean()


def test_the_head_does_not_depend_on_how_it_is_scanned() -> None:
    fine, coarse = (
        fine_mid_slices(),
        head_phantom(
            3,
            acquisition=Acquisition(
                rows=64, columns=64, pixel_spacing_mm=3.6, slices=3, spacing_mm=6.0, noise_hu=0.0
            ),
        ),
    )
    shrunk = fine.voxels_zyx_hu[1].reshape(64, 4, 64, 4).mean(axis=(1, 3))
    brain = (shrunk > 20) & (shrunk < 50)
    difference = np.median(np.abs(shrunk - coarse.voxels_zyx_hu[1])[brain])
    assert difference < 3
