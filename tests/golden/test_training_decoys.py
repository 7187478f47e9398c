"""What the training generator draws is where and as dense as its words say; pixels are looked at by eye."""

from __future__ import annotations

import numpy as np
import pytest

from model_repo.ct_head_hemorrhage.training.anatomy import DEPTH, HU, Head, phantom_head
from model_repo.ct_head_hemorrhage.training.places import draw_blood
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
