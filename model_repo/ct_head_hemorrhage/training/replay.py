"""The samples of a training: drawn by a process of their own, and some that come again."""

from __future__ import annotations

import multiprocessing as mp
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_repo.ct_head_hemorrhage.training.samples import draw_sample, training_heads

# Samples that come again, as many as 7 GB hold; and how many are drawn before the first step, for a few would
# be learned by heart.
POOL, WARM = 14_000, 600
# The more wrong the network was about a sample, the oftener it comes again: the easier half bears a twentieth
# of the loss. None is forgotten, and one that nobody could solve does not take over.
EASIEST, HARDEST = 0.08, 1.0
PHANTOMS = 10

Sample = tuple[torch.Tensor, torch.Tensor]


def generate(queue: mp.Queue, data: Path, seed: int, first: int) -> None:
    """Puts sample after sample into the queue; phantoms are renewed every 3000."""
    # Ctrl-C goes to both; this one is ended by the other, which still asks it for samples.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    heads, era = None, -1
    i = first
    while True:
        if i // 3000 != era:
            era = i // 3000
            heads = training_heads(data, PHANTOMS, seed * 100 + era)
        queue.put(draw_sample(heads, np.random.default_rng([seed, i])))
        i += 1


def varied(slab: torch.Tensor, shares: torch.Tensor, rng: torch.Generator) -> Sample:
    """A second look at a sample: mirrored, shifted in HU, noisier."""
    hu, truth = slab.float(), shares.float() / 255
    if torch.rand((), generator=rng) < 0.5:
        hu, truth = hu.flip(2), truth.flip(2)
    if torch.rand((), generator=rng) < 0.5:
        hu = hu.flip(0)
    hu = hu * (1 + 0.04 * torch.randn((), generator=rng)) + 1.5 * torch.randn((), generator=rng)
    if torch.rand((), generator=rng) < 0.3:
        hu = hu + 3 * torch.rand((), generator=rng) * torch.randn(hu.shape, generator=rng)
    return hu, truth


class Source:
    """Samples as another process draws them, and those that come again; `drawn` counts the former."""

    def __init__(self, data: Path, seed: int, drawn: int) -> None:
        queue: mp.Queue = mp.get_context("spawn").Queue(64)
        self.queue, self.drawn = queue, drawn
        self.pool: list[Sample] = []
        # How many it has held, how wrong each of them was last, and which the last batch was.
        self.held, self.wrong, self.latest = 0, np.zeros(POOL), np.zeros(0, np.intp)
        self.maker = mp.get_context("spawn").Process(
            target=generate, args=(queue, data, seed, drawn), daemon=True
        )
        self.maker.start()

    def take(self, count: int) -> NDArray[np.intp]:
        """Where new samples are in the pool; once it is full, the oldest make room."""
        places = np.arange(self.held, self.held + count) % POOL
        for place in places:
            slab, shares = map(torch.from_numpy, self.queue.get())
            self.pool[place : place + 1] = [(slab, shares)]
        self.wrong[places] = HARDEST
        self.held += count
        self.drawn += count
        return places

    def batch(self, size: int, fresh: int, choice: np.random.Generator, evenly: bool) -> list[Sample]:
        """New samples, and some of the pool: all alike, or the harder the oftener."""
        wrong = self.wrong[: len(self.pool)]
        chance = np.ones_like(wrong) if evenly else wrong.clip(0, HARDEST) + EASIEST
        again = choice.choice(len(self.pool), size - fresh, p=chance / chance.sum())
        old = [self.pool[k] for k in again]
        new = self.take(fresh)
        self.latest = np.concatenate([again, new])
        return old + [self.pool[k] for k in new]

    def hear(self, wrong: NDArray[Any]) -> None:
        """How wrong the network was on each of the last batch."""
        self.wrong[self.latest] = wrong
