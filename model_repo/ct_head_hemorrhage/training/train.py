"""Trains the network: `python -m model_repo.ct_head_hemorrhage.training.train --out runs/one`.

Sample i of a seed is always the same and, in a run without a stop, so is the step that first sees it. A run
stops at its steps, its minutes or a signal, always with a checkpoint, and goes on from it when started again.
One that a signal stopped ends with 75.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import multiprocessing as mp
import signal
import time
from pathlib import Path
from typing import TextIO

import numpy as np
import torch

from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.network import Bleeds, loss_of
from model_repo.ct_head_hemorrhage.training.samples import default_data, draw_sample, training_heads
from model_repo.ct_head_hemorrhage.training.start import load_graph
from model_repo.ct_head_hemorrhage.training.validation import measure, validation_set

# Samples that come again, as many as 7 GB hold; and how many are drawn before the first step, for a few would
# be learned by heart.
POOL, WARM = 14_000, 600
STOPPED = 75
PHANTOMS = 10


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


def varied(
    slab: torch.Tensor, shares: torch.Tensor, rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
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


class Run:
    """Weights, their running average, optimiser and counters; saved and loaded as one file."""

    def __init__(self, out: Path, seed: int, compiled: bool) -> None:
        torch.manual_seed(seed)
        self.path = out / "checkpoint.pt"
        self.network = Bleeds().to(memory_format=torch.channels_last)
        self.average = Bleeds()
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=0.01)
        self.step, self.drawn, self.seed = 0, 0, seed
        self.judged = torch.compile(self._judged) if compiled else self._judged
        if self.path.exists():
            kept = torch.load(self.path, weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.average.load_state_dict(kept["average"])
            self.optimiser.load_state_dict(kept["optimiser"])
            self.step, self.drawn = kept["step"], kept["drawn"]

    def go_on_from(self, graph: Path, hu: torch.Tensor) -> None:
        load_graph(self.network, graph, hu)
        self.average.load_state_dict(self.network.state_dict())

    def save(self) -> None:
        names = ("network", "average", "optimiser")
        kept = {n: getattr(self, n).state_dict() for n in names} | {"step": self.step, "drawn": self.drawn}
        torch.save(kept, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)

    def learn(self, hu: torch.Tensor, truth: torch.Tensor, rate: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss, parts = self.judged(hu.contiguous(memory_format=torch.channels_last), truth)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.step += 1
        keep = min(0.995, self.step / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(
                self.average.state_dict().values(), self.network.state_dict().values(), strict=True
            ):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - keep)
        return {name: float(part.detach()) for name, part in (parts | {"loss": loss}).items()}

    def _judged(self, hu: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits, slices = self.network(hu)
        return loss_of(logits, slices.float(), truth)


class Source:
    """Samples of the process that draws them, and those of them that come again."""

    def __init__(self, data: Path, run: Run) -> None:
        queue: mp.Queue = mp.get_context("spawn").Queue(64)
        self.run, self.queue = run, queue
        self.pool: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.maker = mp.get_context("spawn").Process(
            target=generate, args=(queue, data, run.seed, run.drawn), daemon=True
        )
        self.maker.start()

    def take(self, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        taken = [tuple(map(torch.from_numpy, self.queue.get())) for _ in range(count)]
        self.run.drawn += count
        return taken

    def batch(
        self, size: int, fresh: int, choice: np.random.Generator
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        new = self.take(fresh)
        old = [self.pool[int(k)] for k in choice.integers(len(self.pool), size=size - fresh)]
        self.pool = (self.pool + new)[-POOL:]
        return new + old


def rate_at(step: int, progress: float, highest: float) -> float:
    """Up over 60 steps, then down along a cosine as progress goes to 1."""
    return highest * min(1.0, (step + 1) / 60) * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, progress))))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--rate", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--start", type=Path, help="an exported graph whose weights a new run goes on from")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--fresh", type=int, default=4, help="new samples in a batch; the rest come again")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--validate-every", type=int, default=500)
    parser.add_argument("--compile", action="store_true", help="a quarter faster; needs a C++ compiler")
    return parser.parse_args()


def claimed(out: Path) -> TextIO:
    """Held as long as it is open; raises SystemExit where another training has it."""
    lock = (out / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"another training writes to {out}") from None
    return lock


def stops() -> list[int]:
    """The signals that asked for an end, as they come."""
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: stop.append(got))
    return stop


def main() -> None:
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    lock = claimed(asked.out)
    torch.set_num_threads(asked.threads)
    run = Run(asked.out, asked.seed, asked.compile)
    print(
        f"seed {asked.seed}, step {run.step}, {sum(p.numel() for p in run.network.parameters())} parameters",
        flush=True,
    )
    if run.step >= asked.steps:
        print(f"{asked.steps} steps are done")
        return
    stop = stops()
    source = Source(asked.data, run)
    held = validation_set(asked.data, 160)
    log = (asked.out / "log.jsonl").open("a")
    if asked.start and run.step == 0:
        source.pool = source.take(64)
        run.go_on_from(asked.start, torch.stack([hu for hu, _ in source.pool]).float())
        print(f"from {asked.start}: {json.dumps(measure(run.average, held))}", flush=True)
    source.pool += source.take(WARM - len(source.pool))
    began, choice = time.monotonic(), np.random.default_rng([asked.seed, run.step, 1])
    noise = torch.Generator().manual_seed(asked.seed * 7919 + run.step)
    while run.step < asked.steps and not stop and time.monotonic() - began < 60 * asked.minutes:
        pairs = [varied(*one, noise) for one in source.batch(asked.batch, asked.fresh, choice)]
        minutes = (time.monotonic() - began) / 60
        # A budget in minutes anneals too, so that a stopped run is as good as its time allows.
        rate = rate_at(run.step, max(run.step / asked.steps, minutes / asked.minutes), asked.rate)
        parts = run.learn(*(torch.stack(t) for t in zip(*pairs, strict=True)), rate)
        line = {
            "step": run.step,
            "drawn": run.drawn,
            "minutes": round(minutes, 2),
            "rate": rate,
        } | parts
        if run.step % asked.validate_every == 0:
            line["validation"] = measure(run.average, held)
        if run.step % 100 == 0:
            run.save()
        log.write(json.dumps(line) + "\n")
        log.flush()
    run.save()
    lock.close()
    source.maker.terminate()
    if stop:
        print(f"stopped at step {run.step} of {asked.steps}; the same command goes on", flush=True)
        raise SystemExit(STOPPED)
    print(
        json.dumps({"step": run.step, "types": TYPES, "validation": measure(run.average, held)}), flush=True
    )


if __name__ == "__main__":
    main()
