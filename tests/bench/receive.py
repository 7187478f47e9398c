"""Slices received in a second, by how many senders at a time, beside other receivers and the bare disk."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.bare_disk import write_durably
from tests.bench.ct_files import noise_instances
from tests.bench.figures import markdown
from tests.bench.peers import AS_SHIPPED, NO_DELAY, ORTHANC, PYNETDICOM, STORESCP, WITHOUT_SYNC, Peer
from tests.bench.processes import PeakRss, cpu_seconds

BARE = "bare write + fsync"
_POINT_S = 180.0
_MIB = 1024**2

Say = Callable[[str], None]
# Peer, instances, seconds, CPU seconds, peak RSS in MiB.
_Turn = tuple[str, int, float, float, float | None]


@dataclass(frozen=True)
class Extent:
    """How much is sent for one point; Orthanc and pynetdicom are slower and so get less."""

    senders: tuple[int, ...]
    max_pdu_bytes: tuple[int, ...]
    rounds: int
    instances: int
    instances_slow: int


SHORT = Extent((1, 4, 8, 16), (16384, 131072), rounds=1, instances=240, instances_slow=64)
LONG = Extent((1, 4, 8, 16), (16384, 131072), rounds=3, instances=1600, instances_slow=320)


@dataclass(frozen=True)
class Point:
    """One peer under one number of senders and length of PDUs, once."""

    peer: str
    senders: int
    max_pdu_bytes: int
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
    files = noise_instances(folder / "input", extent.instances)
    slow = files[: extent.instances_slow]
    os.sync()
    points: list[Point] = []
    grid = itertools.product(range(1, extent.rounds + 1), extent.max_pdu_bytes, extent.senders)
    for number, pdu, senders in grid:
        place = folder / "point"
        turns: list[Callable[[], _Turn]] = [
            partial(_received, peer, given, senders, pdu, place)
            for peer, given in (
                (AS_SHIPPED, files),
                (WITHOUT_SYNC, files),
                (STORESCP, files),
                (ORTHANC, slow),
                (PYNETDICOM, slow),
            )
        ]
        turns.append(partial(_bare, files[0].read_bytes(), extent.instances, senders, place))
        for turn in turns:
            peer, count, seconds, cpu_s, peak = turn()
            point = Point(peer, senders, pdu, number, count, seconds, cpu_s, peak)
            points.append(point)
            of = f"PDU {pdu >> 10} KiB, {senders} senders, {peer}"
            say(f"  round {number}, {of}: {point.slices_per_s:.0f} slices/s")
    return {
        "extent": asdict(extent),
        "instance_mib": files[0].stat().st_size / _MIB,
        "points": [{**asdict(p), "slices_per_s": p.slices_per_s} for p in points],
        "medians": medians(points),
    }


def medians(points: Sequence[Point]) -> list[dict[str, Any]]:
    """One row for each length of PDUs, number of senders and peer.

    A ratio is the median of what each round gave: the disk drifts more between rounds than within one.
    """
    rate = {(p.max_pdu_bytes, p.senders, p.round, p.peer): p.slices_per_s for p in points}
    rows: list[dict[str, Any]] = []
    for which in dict.fromkeys((p.max_pdu_bytes, p.senders, p.peer) for p in points):
        mine = [p for p in points if (p.max_pdu_bytes, p.senders, p.peer) == which]
        pdu, senders, peer = which
        rows.append(
            {
                "max_pdu_bytes": pdu,
                "senders": senders,
                "peer": peer,
                "slices_per_s": statistics.median(p.slices_per_s for p in mine),
                "slowest": min(p.slices_per_s for p in mine),
                "fastest": max(p.slices_per_s for p in mine),
                "cpu_s_per_1000": statistics.median(1000 * p.cpu_seconds / p.instances for p in mine),
                "peak_rss_mib": max((p.peak_rss_mib for p in mine if p.peak_rss_mib), default=None),
                **{
                    f"to {other}": statistics.median(
                        p.slices_per_s / rate[pdu, senders, p.round, other] for p in mine
                    )
                    for other in (STORESCP.name, BARE)
                },
            }
        )
    return rows


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned."""
    header = (
        *("receiver", "PDU KiB", "senders", "slices/s", "min-max", "to storescp", "to bare disk"),
        *("CPU s per 1000", "peak RSS MiB"),
    )
    rows = [
        [
            row["peer"],
            str(row["max_pdu_bytes"] >> 10),
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


def _received(peer: Peer, files: Sequence[Path], senders: int, max_pdu_bytes: int, folder: Path) -> _Turn:
    with peer.listening(folder, max_pdu_bytes) as (pid, port):
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
    """Nothing of one point may still be on its way to the disk during the next.

    The names stay to the end of the run: ext4 gives out no inode that was freed a moment ago, and to look
    for another among thousands of those made the next file cost ten times as much.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.truncate(path, 0)
    folder.rename(folder.with_name(f"emptied-{time.monotonic_ns()}"))
    folder.with_suffix(".log").unlink(missing_ok=True)
    os.sync()
