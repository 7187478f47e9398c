"""Instances made durable in a second, by how many threads, beside the bare disk: no DICOM, no socket."""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.domain.identity import AssociationId
from edge.spool.inbox import Inbox
from tests.bench.bare_disk import write_durably
from tests.bench.figures import markdown
from tests.bench.processes import cpu_seconds

BARE = "bare write + fsync"
_BYTES = 525_000
# A scanner's PDU; larger ones only make fewer calls.
_FRAGMENT_BYTES = 131_060
_BLANKS = 128

Say = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is written for one point."""

    threads: tuple[int, ...]
    rounds: int
    instances: int


SHORT = Extent(threads=(1, 4, 8), rounds=2, instances=240)
LONG = Extent(threads=(1, 4, 8, 16), rounds=5, instances=600)


def run(folder: Path, extent: Extent, say: Say) -> dict[str, Any]:
    """Every layout in turn, round by round, so that what else the machine does meets them all."""
    ways: dict[str, Callable[[int], tuple[float, float]]] = {
        BARE: lambda n: _bare(folder / "point", extent.instances, n),
        "inbox as shipped": lambda n: _inbox(folder / "point", extent.instances, n, _BLANKS),
        "inbox without blanks": lambda n: _inbox(folder / "point", extent.instances, n, 0),
    }
    points: list[dict[str, Any]] = []
    for number in range(1, extent.rounds + 1):
        for threads in extent.threads:
            for way, timed in ways.items():
                seconds, cpu_s = timed(threads)
                rate = extent.instances / seconds
                points.append(
                    {"way": way, "threads": threads, "round": number, "per_s": rate, "cpu_s": cpu_s}
                )
                say(f"  round {number}, {threads} threads, {way}: {rate:.0f} instances/s")
                os.sync()
    return {"extent": asdict(extent), "points": points, "medians": medians(points, extent.instances)}


def medians(points: list[dict[str, Any]], instances: int) -> list[dict[str, Any]]:
    """One row for each number of threads and way; a ratio is the median of what each round gave."""
    rate = {(p["threads"], p["round"], p["way"]): p["per_s"] for p in points}
    rows: list[dict[str, Any]] = []
    for threads, way in dict.fromkeys((p["threads"], p["way"]) for p in points):
        mine = [p for p in points if (p["threads"], p["way"]) == (threads, way)]
        rows.append(
            {
                "threads": threads,
                "way": way,
                "per_s": statistics.median(p["per_s"] for p in mine),
                "slowest": min(p["per_s"] for p in mine),
                "fastest": max(p["per_s"] for p in mine),
                "to bare": statistics.median(p["per_s"] / rate[threads, p["round"], BARE] for p in mine),
                "cpu_s_per_1000": statistics.median(1000 * p["cpu_s"] / instances for p in mine),
            }
        )
    return rows


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned."""
    header = ("what writes", "threads", "instances/s", "min-max", "to bare disk", "CPU s per 1000")
    rows = [
        [
            row["way"],
            str(row["threads"]),
            f"{row['per_s']:.0f}",
            f"{row['slowest']:.0f}-{row['fastest']:.0f}",
            f"{row['to bare']:.2f}",
            f"{row['cpu_s_per_1000']:.2f}",
        ]
        for row in result["medians"]
    ]
    return markdown(header, rows)


def _bare(folder: Path, count: int, threads: int) -> tuple[float, float]:
    content = os.urandom(_BYTES)
    cpu_before, started = cpu_seconds(os.getpid()), time.monotonic()
    write_durably(folder, content, count, threads)
    taken = time.monotonic() - started, cpu_seconds(os.getpid()) - cpu_before
    shutil.rmtree(folder)
    return taken


def _inbox(folder: Path, count: int, threads: int, blanks: int) -> tuple[float, float]:
    """Through begin, write and commit as the receiver does, the refill of blanks included."""
    content = memoryview(os.urandom(_BYTES))
    inbox = Inbox(folder, min_free_bytes=0, clock=SystemClock(), blanks=blanks)
    inbox.recover()
    while len(inbox._blanks) < blanks:
        time.sleep(0.01)
    failed: list[OSError] = []

    def work(first: int) -> None:
        try:
            for number in range(first, count, threads):
                _store(inbox, f"{first}", f"1.2.{number}", content)
        except OSError as error:
            failed.append(error)

    senders = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    cpu_before, started = cpu_seconds(os.getpid()), time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    taken = time.monotonic() - started, cpu_seconds(os.getpid()) - cpu_before
    inbox.close()
    shutil.rmtree(folder)
    if failed:
        raise failed[0]
    return taken


def _store(inbox: Inbox, association: str, uid: str, content: memoryview) -> None:
    incoming = inbox.begin(
        AssociationId(association), "1.2.840.10008.5.1.4.1.1.2", uid, "1.2.840.10008.1.2.1", b"meta"
    )
    for start in range(0, len(content), _FRAGMENT_BYTES):
        incoming.write(content[start : start + _FRAGMENT_BYTES])
    incoming.commit()
