"""Slices received in a second, by how many senders at a time, beside DCMTK's storescp and the bare disk."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.bare_disk import write_durably
from tests.bench.ct_files import noise_instances
from tests.bench.figures import markdown
from tests.bench.peers import AS_SHIPPED, NO_DELAY, STORESCP, WITHOUT_SYNC, Peer
from tests.bench.processes import PeakRss, cpu_seconds

BARE = "bare write + fsync"
_POINT_S = 180.0
_MIB = 1024**2

Say = Callable[[str], None]
# Peer, instances, seconds, CPU seconds, peak RSS in MiB.
_Turn = tuple[str, int, float, float, float | None]


@dataclass(frozen=True)
class Extent:
    """How much is sent for one point; storescp and the disk are faster and so get more."""

    senders: tuple[int, ...]
    rounds: int
    instances: int
    instances_fast: int


SHORT = Extent(senders=(1, 4, 8), rounds=1, instances=240, instances_fast=720)
LONG = Extent(senders=(1, 4, 8), rounds=3, instances=1000, instances_fast=3000)


@dataclass(frozen=True)
class Point:
    """One peer under one number of senders, once."""

    peer: str
    senders: int
    round: int
    instances: int
    seconds: float
    cpu_seconds: float
    peak_rss_mib: float | None

    @property
    def slices_per_s(self) -> float:
        return self.instances / self.seconds


def run(folder: Path, extent: Extent, say: Say) -> dict[str, Any]:
    """Every peer in turn, round by round, so that what else the machine does meets them all."""
    files = noise_instances(folder / "input", max(extent.instances, extent.instances_fast))
    os.sync()
    points: list[Point] = []
    for number in range(1, extent.rounds + 1):
        for senders in extent.senders:
            turns: tuple[Callable[[int], _Turn], ...] = (
                lambda n: _received(AS_SHIPPED, files[: extent.instances], n, folder / "point"),
                lambda n: _received(WITHOUT_SYNC, files[: extent.instances], n, folder / "point"),
                lambda n: _received(STORESCP, files[: extent.instances_fast], n, folder / "point"),
                lambda n: _bare(files[0].read_bytes(), extent.instances_fast, n, folder / "point"),
            )
            for turn in turns:
                peer, count, seconds, cpu_s, peak = turn(senders)
                point = Point(peer, senders, number, count, seconds, cpu_s, peak)
                points.append(point)
                say(f"  round {number}, {senders} senders, {peer}: {point.slices_per_s:.0f} slices/s")
    return {
        "extent": asdict(extent),
        "instance_mib": files[0].stat().st_size / _MIB,
        "points": [{**asdict(p), "slices_per_s": p.slices_per_s} for p in points],
        "medians": medians(points),
    }


def medians(points: Sequence[Point]) -> list[dict[str, Any]]:
    """One row for each number of senders and peer.

    A ratio is the median of what each round gave: the disk drifts more between rounds than within one.
    """
    rate = {(p.senders, p.round, p.peer): p.slices_per_s for p in points}
    rows: list[dict[str, Any]] = []
    for senders, peer in dict.fromkeys((p.senders, p.peer) for p in points):
        mine = [p for p in points if (p.senders, p.peer) == (senders, peer)]
        rows.append(
            {
                "senders": senders,
                "peer": peer,
                "slices_per_s": statistics.median(p.slices_per_s for p in mine),
                "slowest": min(p.slices_per_s for p in mine),
                "fastest": max(p.slices_per_s for p in mine),
                "cpu_s_per_1000": statistics.median(1000 * p.cpu_seconds / p.instances for p in mine),
                "peak_rss_mib": max((p.peak_rss_mib for p in mine if p.peak_rss_mib), default=None),
                **{
                    f"to {other}": statistics.median(
                        p.slices_per_s / rate[p.senders, p.round, other] for p in mine
                    )
                    for other in (STORESCP.name, BARE)
                },
            }
        )
    return rows


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned."""
    header = (
        *("receiver", "senders", "slices/s", "min-max", "to storescp", "to bare disk"),
        *("CPU s per 1000", "peak RSS MiB"),
    )
    rows = [
        [
            row["peer"],
            str(row["senders"]),
            f"{row['slices_per_s']:.0f}",
            f"{row['slowest']:.0f}-{row['fastest']:.0f}",
            f"{row[f'to {STORESCP.name}']:.2f}",
            f"{row[f'to {BARE}']:.2f}",
            f"{row['cpu_s_per_1000']:.2f}",
            "" if row["peak_rss_mib"] is None else f"{row['peak_rss_mib']:.0f}",
        ]
        for row in result["medians"]
    ]
    return markdown(header, rows)


def _received(peer: Peer, files: Sequence[Path], senders: int, folder: Path) -> _Turn:
    with peer.listening(folder) as (pid, port):
        cpu_before = cpu_seconds(pid)
        with PeakRss(pid) as memory:
            seconds = _sent(peer, files, senders, port)
        # The echo lets a forking receiver reap its children; until then they count as children.
        assert peer.echoes(port), f"{peer.name} no longer answers"
        cpu_s = cpu_seconds(pid) - cpu_before
        stored = len(peer.stored(folder))
    _cleared(folder)
    if stored != len(files):
        raise RuntimeError(f"{peer.name} kept {stored} of {len(files)} instances: no figure for that")
    return peer.name, len(files), seconds, cpu_s, memory.mib


def _sent(peer: Peer, files: Sequence[Path], senders: int, port: int) -> float:
    """Seconds from the start of the first sender to the end of the last; raises when one failed."""
    shares = [[str(f) for f in files[first::senders]] for first in range(senders)]
    started = time.monotonic()
    running = [
        subprocess.Popen(
            ["storescu", "-q", "-aec", peer.ae_title, "127.0.0.1", str(port), *share],
            env={**os.environ, **NO_DELAY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for share in shares
    ]
    try:
        codes = [sender.wait(max(0.1, started + _POINT_S - time.monotonic())) for sender in running]
        seconds = time.monotonic() - started
    finally:
        for sender in running:
            sender.kill()
            sender.wait()
    if any(codes):
        raise RuntimeError(f"storescu to {peer.name} ended with {codes}")
    return seconds


def _bare(content: bytes, count: int, threads: int, folder: Path) -> _Turn:
    folder.mkdir()
    cpu_before, started = time.process_time(), time.monotonic()
    write_durably(folder / "bare", content, count, threads)
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu_before
    _cleared(folder)
    return BARE, count, seconds, cpu_s, None


def _cleared(folder: Path) -> None:
    """Nothing of one point may still be on its way to the disk during the next."""
    shutil.rmtree(folder)
    folder.with_suffix(".log").unlink(missing_ok=True)
    os.sync()
