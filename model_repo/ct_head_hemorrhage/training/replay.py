"""Which samples of a training come again: the more wrong the network was about one, the oftener."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

# The easier half of the samples bears a twentieth of the loss. None is forgotten, and one that nobody could
# solve does not take over.
EASIEST, HARDEST = 0.08, 1.0


Sample = TypeVar("Sample")


class Pool(Generic[Sample]):
    """The latest samples, and how wrong the network was when it last saw each; new ones count as hardest."""

    def __init__(self, size: int) -> None:
        self.samples: list[Sample] = []
        self._size, self._added = size, 0
        self._wrong = np.zeros(size)

    def add(self, samples: list[Sample]) -> NDArray[np.intp]:
        """Where they are; once the pool is full, the oldest make room."""
        places = np.arange(self._added, self._added + len(samples)) % self._size
        for place, sample in zip(places, samples, strict=True):
            self.samples[place : place + 1] = [sample]
        self._wrong[places] = HARDEST
        self._added += len(samples)
        return places

    def choose(self, count: int, choice: np.random.Generator, evenly: bool) -> NDArray[np.intp]:
        """Places of samples that come again: all alike, or the harder the oftener."""
        wrong = self._wrong[: len(self.samples)]
        chance = np.ones_like(wrong) if evenly else wrong.clip(0, HARDEST) + EASIEST
        return choice.choice(len(wrong), count, p=chance / chance.sum())

    def hear(self, places: NDArray[np.intp], wrong: NDArray[Any]) -> None:
        """How wrong the network was on the samples of these places."""
        self._wrong[places] = wrong
