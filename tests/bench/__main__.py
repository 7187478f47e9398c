"""`python -m tests.bench`: measures, prints Markdown, keeps JSON; ends by itself and cleans up."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tests.bench import durable, ladder, page_latency, receive, thin_slices
from tests.bench.machine import describe
from tests.bench.readme import README, block, replaced
from tests.ladder.rungs import RUNGS

_CHECKOUT = Path(__file__).resolve().parents[2]
_BENCHMARKS = {
    "receive": receive,
    "durable": durable,
    "page_latency": page_latency,
    "thin_slices": thin_slices,
}
# Not among all: it takes hours, and says whether something broke and not how fast it was.
_ALONE = {"ladder": ladder}
_OF_LADDER = ("rounds", "seed", "first", "rung", "minutes")
_PEERS = ("storescu", "echoscu", "storescp", "mosquitto", "Orthanc")


def main() -> int:
    args = _arguments()
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # Debian keeps servers there, out of a user's path
    missing = [program for program in _PEERS if shutil.which(program) is None]
    if missing:
        print(
            f"not installed: {', '.join(missing)}; apt-get install dcmtk mosquitto orthanc", file=sys.stderr
        )
        return 1
    signal.signal(signal.SIGTERM, _as_exit)
    # Settings of the caller's own appliance must not reach the ones that are measured.
    for name in [n for n in os.environ if n.startswith("EDGE_") and n != "EDGE_TEST_STATE"]:
        del os.environ[name]
    form = "short" if args.short else "long"
    args.folder.mkdir(parents=True, exist_ok=True)
    machine = describe(args.folder)
    results: dict[str, Any] = {"form": form, "machine": machine}
    print("\n".join(f"{key}: {value}" for key, value in machine.items()), flush=True)
    blocks: dict[str, str] = {}
    for name in _BENCHMARKS if args.benchmark == "all" else (args.benchmark,):
        print(f"{name}, {form} form", flush=True)
        module = {**_BENCHMARKS, **_ALONE}[name]
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=args.folder) as folder:
            extent = _extent(module, args)
            results[name] = module.run(Path(folder) / "run", extent, _say)
        blocks[name] = block(machine, form, module.table(results[name]))
        # After each one: an hour's figures do not depend on the last minute.
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    for name, content in blocks.items():
        print(f"\n## {name}\n\n{content}")
        if args.write_readme:
            README.write_text(replaced(README.read_text(), name, content))
    print(f"\nresults in {args.json}")
    return int("ladder" in results and ladder.broken(results["ladder"]))


def _extent(module: ModuleType, args: argparse.Namespace) -> Any:
    extent = module.SHORT if args.short else module.LONG
    if module is not ladder:
        return extent
    chosen = {name: value for name in _OF_LADDER if (value := getattr(args, name)) is not None}
    return dataclasses.replace(extent, **chosen)


def _say(line: str) -> None:
    print(line, flush=True)


def _as_exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("benchmark", nargs="?", default="all", choices=["all", *_BENCHMARKS, *_ALONE])
    parser.add_argument("--short", action="store_true", help="fewer rounds and series, for a first look")
    parser.add_argument(
        "--folder",
        type=Path,
        default=_CHECKOUT / ".edge" / "bench",
        help="on the disk to measure; what is put there is removed again (default: .edge/bench)",
    )
    parser.add_argument("--json", type=Path, default=_CHECKOUT / ".edge" / "bench" / "results.json")
    parser.add_argument(
        "--write-readme", action="store_true", help="also put the tables into tests/bench/README.md"
    )
    alone = parser.add_argument_group("ladder", "the crash ladder; the same seed and round do the same again")
    alone.add_argument("--rounds", type=int, help="of single kills, the other rungs in proportion (200)")
    alone.add_argument("--seed", type=int, help="of everything that is drawn (1)")
    alone.add_argument("--first", type=int, help="round to begin with, to play one again (0)")
    alone.add_argument("--rung", choices=["all", *RUNGS], help="only this one")
    alone.add_argument("--minutes", type=float, help="begin no further batch of rounds after so long")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
