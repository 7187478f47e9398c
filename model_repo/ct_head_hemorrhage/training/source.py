"""The samples of a training: drawn by a process of their own, and some that come again."""

from __future__ import annotations

import multiprocessing as mp
import queue
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_repo.ct_head_hemorrhage.training.replay import Pool
from model_repo.ct_head_hemorrhage.training.samples import draw_sample, training_heads

# Samples that come again, as many as 7 GB hold; and how many are drawn before the first step, for a few would
# be learned by heart.
POOL, WARM = 14_000, 600
PHANTOMS = 10
PATIENCE_S = 5.0

Sample = tuple[torch.Tensor, torch.Tensor]


def generate(samples: mp.Queue, data: Path, seed: int, first: int) -> None:
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
        sample = draw_sample(heads, np.random.default_rng([seed, i]))
        if not handed_over(samples, sample):
            return
        i += 1


def handed_over(samples: mp.Queue, sample: object) -> bool:
    """Waits for room in the queue; False when there is nobody left to take it."""
    parent = mp.parent_process()
    while parent is None or parent.is_alive():
        try:
            samples.put(sample, timeout=PATIENCE_S)
        except queue.Full:
            continue
        return True
    # What is still on its way to nobody is not waited for.
    samples.cancel_join_thread()
    return False


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
        self.queue: mp.Queue = mp.get_context("spawn").Queue(64)
        self.drawn, self.pool = drawn, Pool[Sample](POOL)
        self.latest = np.zeros(0, np.intp)
        self.maker = mp.get_context("spawn").Process(
            target=generate, args=(self.queue, data, seed, drawn), daemon=True
        )
        self.maker.start()

    def take(self, count: int) -> NDArray[np.intp]:
        """Where new samples are in the pool."""
        got = [self.queue.get() for _ in range(count)]
        self.drawn += count
        return self.pool.add([(torch.from_numpy(hu), torch.from_numpy(shares)) for hu, shares in got])

    def batch(self, size: int, fresh: int, choice: np.random.Generator, evenly: bool) -> list[Sample]:
        """Some of the pool, and new samples."""
        again = self.pool.choose(size - fresh, choice, evenly)
        old = [self.pool.samples[k] for k in again]
        new = self.take(fresh)
        self.latest = np.concatenate([again, new])
        return old + [self.pool.samples[k] for k in new]

    def hear(self, wrong: NDArray[Any]) -> None:
        """How wrong the network was on each of the last batch."""
        self.pool.hear(self.latest, wrong)
