"""The rungs of the crash ladder, each a batch of rounds on an appliance of its own, judged at its end."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ladder import disk, syscalls
from tests.ladder.clocks import clock_round, faked, library
from tests.ladder.disk import disk_round, small_disk
from tests.ladder.kills import kill_round
from tests.ladder.simulator import simulate
from tests.ladder.site import Say, Site
from tests.ladder.syscalls import (
    Injection,
    agent_round,
    calls_of_the_agent,
    calls_of_the_receiver,
    injection_round,
    injections,
)
from tests.ladder.verdict import Verdict

HOSPITAL_S = 20.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Rounds `first` to `last` of one rung; every round draws from `seed` and its own number alone."""

    rung: str
    first: int
    last: int
    seed: int

    @property
    def rounds(self) -> range:
        return range(self.first, self.last)

    def __str__(self) -> str:
        return f"{self.rung}, rounds {self.first} to {self.last - 1}, seed {self.seed}"


def missing(rung: str) -> str:
    """Empty where this rung can be climbed, else the line that mends it or the reason."""
    if rung in ("syscalls", "agent"):
        return "apt-get install -y strace" if shutil.which("strace") is None else syscalls.why_not()
    if rung == "clock" and library() is None:
        return "apt-get install -y faketime"
    return disk.why_not() if rung == "disk" else ""


def climb(batch: Batch, folder: Path, say: Say) -> Verdict:
    """The verdict over all rounds of the batch; `folder` must not exist yet."""
    say(f"{batch}")
    folder.mkdir(parents=True)
    with _RUNGS[batch.rung](batch, folder, say) as site:
        said = site.verdict()
    for fault in said.faults:
        say(f"  FAULT {fault}")
    return said


@contextmanager
def _kills(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    with Site(folder, str(batch.seed), say) as site:
        for number in batch.rounds:
            kill_round(site, number, faults=1)
        yield site


@contextmanager
def _pairs(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    with Site(folder, str(batch.seed), say) as site:
        for number in batch.rounds:
            kill_round(site, number, faults=2)
        yield site


@contextmanager
def _syscalls(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    """Rounds are drawn from all injections there are; the long form has every one."""
    with Site(folder, str(batch.seed), say) as site:
        calls = calls_of_the_receiver(site, folder / "strace")
        say(f"  a series of four slices takes {dict(calls)}")
        for number, injection in _drawn(site, calls, batch):
            injection_round(site, number, injection, folder / "strace")
        yield site


@contextmanager
def _agent(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    """As with the receiver's, but a head with blood each time."""
    with Site(folder, str(batch.seed), say) as site:
        calls = calls_of_the_agent(site, folder / "strace")
        say(f"  from the first slice to the outcome a thread makes {dict(calls)}")
        for number, injection in _drawn(site, calls, batch):
            agent_round(site, number, injection, folder / "strace")
        yield site


def _drawn(site: Site, calls: Counter[str], batch: Batch) -> list[tuple[int, Injection]]:
    all_there_are = injections(calls)
    site.dice("order of system calls").shuffle(all_there_are)
    return [(n, all_there_are[n]) for n in batch.rounds if n < len(all_there_are)]


@contextmanager
def _disk(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    floor = {"EDGE_DICOM__MIN_FREE_GIB": "0"}
    with (
        small_disk(folder) as mounted,
        Site(folder, str(batch.seed), say, state_dir=mounted / "state", **floor) as site,
    ):
        for number in batch.rounds:
            disk_round(site, mounted, number)
        yield site


@contextmanager
def _clock(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    offset = folder / "offset"
    with Site(folder, str(batch.seed), say, **faked(offset)) as site:
        for number in batch.rounds:
            clock_round(site, offset, number)
        yield site


@contextmanager
def _hospital(batch: Batch, folder: Path, say: Say) -> Iterator[Site]:
    """No fault of ours, but everything that comes over the wire; a round takes HOSPITAL_S."""
    with Site(folder, str(batch.seed), say) as site:
        for number in batch.rounds:
            simulate(site, number, HOSPITAL_S)
        yield site


_RUNGS = {
    "kills": _kills,
    "pairs": _pairs,
    "syscalls": _syscalls,
    "agent": _agent,
    "disk": _disk,
    "clock": _clock,
    "hospital": _hospital,
}
RUNGS = tuple(_RUNGS)
