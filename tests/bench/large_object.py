"""A multi-frame object of 2 GiB through the real socket: how long it takes, and the receiver's memory."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.figures import markdown
from tests.contract.large_object import is_whole, send_large_object
from tests.contract.receive_process import receive_process

# Bytes of pixels, in rounds: the second is for what the first has left behind in memory.
SHORT = (1 << 29, 1)
LONG = (1 << 31, 2)
_CHECKOUT = Path(__file__).resolve().parents[2]


def run(folder: Path, extent: tuple[int, int], say: Callable[[str], None]) -> dict[str, Any]:
    """Raises when a byte of it is not on disk."""
    size_bytes, rounds = extent
    rows: list[dict[str, float]] = []
    for number in range(1, rounds + 1):
        place = folder / str(number)
        place.mkdir(parents=True)
        with receive_process(place, f"max_instance_mib = {(size_bytes >> 20) + 1}\n") as receiver:
            before_mib = receiver.peak_rss_mib()
            seconds = send_large_object(receiver.port, size_bytes)
            rss_mib = receiver.peak_rss_mib()
            (kept,) = receiver.stored()
            if not is_whole(receiver.state_dir / kept.path, size_bytes):
                raise RuntimeError("what was acknowledged is not on disk: no figure for that")
        shutil.rmtree(place)
        row = {
            "size_mib": size_bytes / (1 << 20),
            "seconds": seconds,
            "idle_mib": before_mib,
            "peak_mib": rss_mib,
        }
        rows.append(row)
        say(f"  round {number}: {row['size_mib']:.0f} MiB in {seconds:.1f} s, peak RSS {rss_mib:.0f} MiB")
    return {"rounds": rows}


def table(result: dict[str, Any]) -> str:
    """Markdown of what `run` returned."""
    rows = [
        [
            f"{row['size_mib']:.0f} MiB",
            f"{row['seconds']:.1f}",
            f"{row['size_mib'] / row['seconds']:.0f}",
            f"{row['idle_mib']:.0f}",
            f"{row['peak_mib']:.0f}",
        ]
        for row in result["rounds"]
    ]
    return markdown(("object", "seconds", "MiB/s", "idle RSS MiB", "peak RSS MiB"), rows)


def main() -> None:
    place = _CHECKOUT / ".edge" / "bench"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="large_object-", dir=place) as folder:
        print(table(run(Path(folder), SHORT if "--short" in sys.argv else LONG, print)))


if __name__ == "__main__":
    main()
