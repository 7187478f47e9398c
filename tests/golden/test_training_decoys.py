"""What the training generator draws is where and as dense as its words say; pixels are looked at by eye."""

from __future__ import annotations

import numpy as np
import pytest

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, HU, Head, phantom_head
from model_repo.ct_head_hemorrhage.training.bleeds import FLUID_HU
from model_repo.ct_head_hemorrhage.training.necks import draw_neck
from model_repo.ct_head_hemorrhage.training.places import PALEST_IN_VENTRICLE_HU, draw_blood
from model_repo.ct_head_hemorrhage.training.samples import SHAPE, Heads, draw_sample
from model_repo.ct_head_hemorrhage.training.surgery import Dura, Plug, Shunt, draw_surgery

BRAIN_HU = 34.0


@pytest.fixture(scope="module")
def head() -> Head:
    return phantom_head(6)


def fields(depth_mm: list[float]) -> np.ndarray:
    f = np.zeros((len(depth_mm), 4), np.float32)
    f[:, HU], f[:, DEPTH] = BRAIN_HU, depth_mm
    return f


def test_a_shunt_is_dense_along_its_way_and_nowhere_else() -> None:
    shunt = Shunt(np.float32([60, 0, 40]), np.float32([5, 0, 10]), 1.2, 200.0)
    on_it, beside, beyond = shunt.outer * 0.5 + shunt.tip * 0.5, [40, 12, 25], [-10, 0, 0]
    points = np.float32([on_it, beside, beyond])
    said = shunt.apply(points, fields([30, 30, 30]), np.full(3, BRAIN_HU, np.float32))
    assert said.tolist() == [200.0, BRAIN_HU, BRAIN_HU]


def test_a_plug_holds_gas_and_what_is_as_dense_as_blood() -> None:
    plug = Plug(np.zeros(3, np.float32), np.full(3, 8, np.float32), 55.0, -300.0, np.ones(3, np.float32))
    points = np.random.default_rng(5).uniform(-4, 4, (500, 3)).astype(np.float32)
    said = plug.apply(points, fields([20.0] * 500), np.full(500, BRAIN_HU, np.float32))
    assert said.min() < -250
    assert said.max() > 50
    outside = plug.apply(np.float32([[30, 0, 0]]), fields([20.0]), np.float32([BRAIN_HU]))
    assert outside.tolist() == [BRAIN_HU]


def test_thick_dura_lines_both_sides_alike_and_spares_the_brain() -> None:
    points = np.float32([[-60, 0, 20], [60, 0, 20], [0, 0, 20]])
    said = Dura(1.5, 50.0).apply(points, fields([0.4, 0.4, 40.0]), np.full(3, BRAIN_HU, np.float32))
    assert said[0] == said[1] == 50.0
    assert said[2] == BRAIN_HU


def test_every_kind_is_drawn_as_often_as_it_says(head: Head) -> None:
    rng = np.random.default_rng(3)
    drawn = [type(one) for _ in range(3000) for one in draw_surgery(head, rng)]
    for kind, share in ((Shunt, 0.04), (Plug, 0.03), (Dura, 0.04)):
        assert drawn.count(kind) / 3000 == pytest.approx(share, abs=0.012)


def test_subdural_blood_is_thick_enough_to_be_seen_and_old_blood_has_grown(head: Head) -> None:
    rng = np.random.default_rng(4)
    drawn = [draw_blood("subdural", head, rng) for _ in range(1000)]
    assert min(b.size_mm[0] for b in drawn) >= 3
    over_hemisphere = [b for b in drawn if not b.along]
    for small, median_mm in ((True, 4.3), (False, 8.2)):
        alike = [draw_blood("subdural", head, rng, small) for _ in range(600)]
        assert np.median([b.size_mm[0] for b in alike if not b.along]) == pytest.approx(median_mm, abs=0.6)
    # Nothing fresh is drawn below 45 HU.
    assert min(b.size_mm[0] for b in over_hemisphere if b.hu < 45) >= 6
    assert min(b.hu for b in over_hemisphere if b.mixed or b.level) >= 55


def test_blood_in_a_ventricle_stays_denser_than_brain_though_fluid_thins_it(head: Head) -> None:
    rng = np.random.default_rng(8)
    for blood in (draw_blood("intraventricular", head, rng) for _ in range(400)):
        thinned = blood.hu * blood.fill + float(FLUID_HU) * (1 - blood.fill)
        assert thinned >= PALEST_IN_VENTRICLE_HU - 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_a_neck_is_muscle_between_fat_and_bone_in_air_and_changes_little_from_slice_to_slice(
    seed: int,
) -> None:
    hu_zyx = draw_neck(np.random.default_rng(seed), SHAPE, np.array([-1.0, 0.0, 1.0]))
    assert hu_zyx.shape == (3, *SHAPE)
    solid = hu_zyx > -300
    # cm2 of a slice, a pixel is 1 mm.
    assert 40 < solid[1].sum() / 100 < 250
    for low, high, least in ((30, 90, 0.2), (-130, -60, 0.02), (250, 2000, 0.02)):
        assert ((hu_zyx > low) & (hu_zyx < high)).sum() > least * solid.sum()
    assert (solid[0] != solid[2]).mean() < 0.03


def test_a_sample_of_a_neck_has_no_blood_and_is_sometimes_a_slice_alone(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_repo.ct_head_hemorrhage.training.samples.NECK_SHARE", 1.0)
    drawn = [draw_sample(Heads((), (head,)), np.random.default_rng([9, i])) for i in range(24)]
    assert not any(shares.any() for _, shares in drawn)
    assert {slab.shape for slab, _ in drawn} == {(3, *SHAPE)}
    alone = sum(bool((slab == slab[:1]).all()) for slab, _ in drawn)
    assert 0 < alone < 12
