"""Which samples of a training come again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_repo.ct_head_hemorrhage.training.replay import EASIEST, HARDEST, Pool


def filled(count: int, size: int) -> Pool[int]:
    pool = Pool[int](size)
    pool.add(list(range(count)))
    return pool


def share_of(pool: Pool[int], place: int, evenly: bool = False) -> float:
    return float(np.mean(pool.choose(20_000, np.random.default_rng(8), evenly) == place))


def test_the_more_wrong_the_network_was_the_oftener_a_sample_comes_again() -> None:
    pool = filled(3, 10)
    pool.hear(np.array([0, 1, 2]), np.array([0.0, 0.4, 9.0]))
    chances = np.array([EASIEST, 0.4 + EASIEST, HARDEST + EASIEST])
    for place, chance in enumerate(chances / chances.sum()):
        assert share_of(pool, place) == pytest.approx(chance, abs=0.02)
        assert share_of(pool, place, evenly=True) == pytest.approx(1 / 3, abs=0.02)


def test_a_new_sample_counts_as_hardest_until_it_is_heard_of() -> None:
    pool = filled(2, 10)
    pool.hear(np.array([0]), np.array([0.0]))
    assert share_of(pool, 1) == pytest.approx((HARDEST + EASIEST) / (HARDEST + 2 * EASIEST), abs=0.02)


@given(st.integers(1, 9), st.lists(st.integers(1, 5), max_size=8))
def test_the_oldest_make_room_and_the_latest_stay(size: int, batches: list[int]) -> None:
    pool, count = Pool[int](size), 0
    for more in batches:
        more = min(more, size)
        added = list(range(count, count + more))
        places = pool.add(added)
        assert [pool.samples[k] for k in places] == added
        count += more
        assert sorted(pool.samples) == list(range(max(0, count - size), count))


def test_a_sample_that_made_room_takes_its_mistakes_along() -> None:
    pool = filled(4, 4)
    pool.hear(np.arange(4), np.zeros(4))
    assert pool.add([4]).tolist() == [0]
    assert share_of(pool, 0) == pytest.approx((HARDEST + EASIEST) / (HARDEST + 4 * EASIEST), abs=0.02)
