"""The long form of the crash ladder: faults under a sending scanner, round after round, and one verdict."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import markdown
from tests.ladder.rungs import RUNGS, Batch, climb, missing

Say = Callable[[str], None]
_BATCH = 10
# More than a series has system calls, three errors each: every one of them.
_EVERY_INJECTION = 400
_COLUMNS = (
    *("rounds", "faults injected", "instances sent", "acknowledged", "lost", "series", "revisions"),
    *("pages expected", "pages received", "duplicate ids"),
)


@dataclass(frozen=True)
class Extent:
    """`rounds` of single kills, and of the other rungs in proportion; no batch begins after `minutes`."""

    rounds: int
    seed: int
    first: int = 0
    rung: str = "all"
    minutes: float = float("inf")


SHORT = Extent(rounds=10, seed=1)
LONG = Extent(rounds=200, seed=1)


def run(folder: Path, extent: Extent, say: Say) -> dict[str, Any]:
    """Every batch on an appliance of its own, kills and the other rungs by turns."""
    ends = time.monotonic() + extent.minutes * 60
    batches: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for number, batch in enumerate(_batches(extent)):
        if why := missing(batch.rung):
            skipped[batch.rung] = why
        elif time.monotonic() < ends:
            began = time.monotonic()
            said = climb(batch, folder / str(number), say)
            told = {"figures": said.figures, "faults": said.faults, "took_s": time.monotonic() - began}
            batches.append({**dataclasses.asdict(batch), **told})
            say(f"  {said.figures}")
    return {"extent": dataclasses.asdict(extent), "batches": batches, "skipped": skipped}


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned: one row a rung, then what was found."""
    rows: list[list[str]] = []
    found: list[str] = []
    for rung in RUNGS:
        batches = [b for b in result["batches"] if b["rung"] == rung]
        if not batches:
            continue
        sums = sum((Counter(b["figures"]) for b in batches), Counter())
        rows.append([rung, *(str(sums[name]) for name in _COLUMNS)])
        found += [f"{rung}: {fault}" for b in batches for fault in b["faults"]]
    extent, minutes = result["extent"], sum(b["took_s"] for b in result["batches"]) / 60
    said = [f"Seed {extent['seed']}, from round {extent['first']} on, {minutes:.0f} minutes."]
    said += [f"Not climbed here: {rung} ({why})." for rung, why in result["skipped"].items()]
    said += [f"Promises broken: {len(found)}.", *(f"- {fault}" for fault in found)]
    return markdown(("rung", *_COLUMNS), rows) + "\n\n" + "\n".join(said)


def broken(result: dict[str, Any]) -> bool:
    """Whether the appliance failed anywhere."""
    return any(batch["faults"] for batch in result["batches"])


def _batches(extent: Extent) -> Iterator[Batch]:
    shares = {
        "kills": extent.rounds,
        "pairs": max(1, extent.rounds // 4),
        "syscalls": _EVERY_INJECTION if extent.rounds >= LONG.rounds else extent.rounds,
        "agent": _EVERY_INJECTION if extent.rounds >= LONG.rounds else max(1, extent.rounds // 4),
        "disk": max(1, extent.rounds // 10),
        "clock": max(1, extent.rounds // 10),
        # Of HOSPITAL_S each: ten minutes in the long form.
        "hospital": max(1, extent.rounds * 3 // 20),
    }
    chosen = RUNGS if extent.rung == "all" else (extent.rung,)
    waiting = {rung: _of(rung, extent, shares[rung]) for rung in chosen}
    while waiting:
        for rung in tuple(waiting):
            batch = next(waiting[rung], None)
            if batch is None:
                del waiting[rung]
            else:
                yield batch


def _of(rung: str, extent: Extent, rounds: int) -> Iterator[Batch]:
    size = _BATCH * 5 if rung == "syscalls" else _BATCH
    for first in range(extent.first, extent.first + rounds, size):
        yield Batch(rung, first, min(first + size, extent.first + rounds), extent.seed)
