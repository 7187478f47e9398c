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
import signal
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from model_repo.ct_head_hemorrhage.training.anatomy import default_data
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.network import Bleeds, loss_of
from model_repo.ct_head_hemorrhage.training.source import WARM, Source, varied
from model_repo.ct_head_hemorrhage.training.start import load_graph
from model_repo.ct_head_hemorrhage.training.validation import measure, validation_set

STOPPED = 75
# At the end all samples come equally often, so that probabilities are those of what is drawn.
EVENLY_FROM = 0.9


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

    def save(self, drawn: int) -> None:
        names = ("network", "average", "optimiser")
        kept = {n: getattr(self, n).state_dict() for n in names} | {"step": self.step, "drawn": drawn}
        torch.save(kept, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)

    def learn(self, hu: torch.Tensor, truth: torch.Tensor, rate: float) -> dict[str, NDArray[Any]]:
        """What each sample of the batch was judged, before the step."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        judged = self.judged(hu.contiguous(memory_format=torch.channels_last), truth)
        self.optimiser.zero_grad()
        judged["loss"].mean().backward()
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
        return {name: part.detach().numpy() for name, part in judged.items()}

    def _judged(self, hu: torch.Tensor, truth: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            logits, slices = self.network(hu)
        return loss_of(logits, slices.float(), truth)


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
    source = Source(asked.data, run.seed, run.drawn)
    held = validation_set(asked.data, 160)
    log = (asked.out / "log.jsonl").open("a")
    source.take(WARM)
    if asked.start and run.step == 0:
        run.go_on_from(asked.start, torch.stack([hu for hu, _ in source.pool.samples[:64]]).float())
        print(f"from {asked.start}: {json.dumps(measure(run.average, held))}", flush=True)
    began, choice = time.monotonic(), np.random.default_rng([asked.seed, run.step, 1])
    noise = torch.Generator().manual_seed(asked.seed * 7919 + run.step)
    while run.step < asked.steps and not stop and time.monotonic() - began < 60 * asked.minutes:
        minutes = (time.monotonic() - began) / 60
        # A budget in minutes anneals too, so that a stopped run is as good as its time allows.
        progress = max(run.step / asked.steps, minutes / asked.minutes)
        batch = source.batch(asked.batch, asked.fresh, choice, evenly=progress > EVENLY_FROM)
        pairs = zip(*(varied(*one, noise) for one in batch), strict=True)
        rate = rate_at(run.step, progress, asked.rate)
        judged = run.learn(*(torch.stack(t) for t in pairs), rate)
        # Not the pixels: those of large blood in sulci are many, and no decision hangs on them.
        source.hear(judged["dice"] + judged["slice"])
        line: dict[str, Any] = {"step": run.step, "drawn": source.drawn, "minutes": round(minutes, 2)}
        line |= {"rate": rate} | {name: float(part.mean()) for name, part in judged.items()}
        if run.step % asked.validate_every == 0:
            line["validation"] = measure(run.average, held)
        if run.step % 100 == 0:
            run.save(source.drawn)
        print(json.dumps(line), file=log, flush=True)
    run.save(source.drawn)
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
