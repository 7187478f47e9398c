"""Weights, operating points and report of the version that is served, by one command.

`python -m model_repo.ct_head_hemorrhage.training.reproduce --out runs/one` trains, exports, draws the
held-out series, chooses the points, evaluates through Triton and writes all of it into the model's
folder. Stopped, the same command goes on: with the training where it was and with the series that are
drawn; what comes after them takes half an hour and is done again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from model_repo.ct_head_hemorrhage.training.anatomy import default_data
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.operating_points import FOLDER, REPORT

MODULES = "model_repo.ct_head_hemorrhage.training"
VERSION = "0.6.1"
# The weights it goes on from are those of 0.5.0, as this commit has them.
START = "e96e5ff"
SEED, STEPS, FRESH, RATE, SERIES = 59, 5500, 3, 1e-3, 160
# Types take turns in every other series.
FEWEST = 2 * len(TYPES)
ROOT = FOLDER.parents[1]


def run(*words: object, **settings: str) -> None:
    """A step, which hears of a signal; raises SystemExit with its code where it did not succeed."""
    said = [str(w) for w in words]
    print("$ python -m", *said, flush=True)
    child = subprocess.Popen([sys.executable, "-m", *said], cwd=ROOT, env=os.environ | settings)
    heard: list[int] = []

    def pass_on(number: int, _: object) -> None:
        heard.append(number)
        child.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = child.wait()
    # A step that ends well after a signal, or of it, is no reason to go on.
    if heard and code <= 0:
        raise SystemExit(128 + heard[0])
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


def start_graph(commit: str, out: Path) -> Path:
    """The graph of a commit; raises SystemExit where git does not have it."""
    path = out / f"start-{commit}.onnx"
    if not path.exists():
        named = f"{commit}:{(FOLDER / '1' / 'model.onnx').relative_to(ROOT)}"
        words = ["git", "show", named]
        found = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        if found.returncode:
            raise SystemExit(f"{found.stderr.decode().strip()}: a clone with its history is needed")
        path.write_bytes(found.stdout)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint, log, held-out series")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--start", default=START, help="commit whose weights to go on from, or `nothing`")
    parser.add_argument("--series", type=int, default=SERIES, help="held-out series of each seed")
    parser.add_argument("--version", help=f"of what comes of it; {VERSION} for nothing but the recipe")
    parser.add_argument("--compile", action="store_true", help="a quarter faster; needs a C++ compiler")
    asked = parser.parse_args()
    recipe = (asked.seed, asked.steps, asked.start, asked.series) == (SEED, STEPS, START, SERIES)
    if not recipe and asked.version is None:
        parser.error(f"this is not the recipe of {VERSION}: give what comes of it a --version of its own")
    if asked.series < FEWEST:
        parser.error(f"--series: at least {FEWEST}, for every type in every seed")
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    words: list[object] = ["--out", out, "--seed", asked.seed, "--steps", asked.steps]
    words += ["--fresh", FRESH, "--rate", RATE]
    words += ["--start", start_graph(asked.start, out)] if asked.start != "nothing" else []
    run(f"{MODULES}.train", *words, *(["--compile"] if asked.compile else []))
    run(f"{MODULES}.export", out / "checkpoint.pt")
    kept, count = out / "heldout", asked.series
    points = ["--kept", kept, "--choose", count, "--count", count, "--write", asked.version or VERSION]
    run(f"{MODULES}.operating_points", *points)
    report = FOLDER / "report"
    synthetic = ["--phantoms", count, "--seed", REPORT, "--generator", f"{MODULES}.kept:heads"]
    evaluate = ["edge", "models", "evaluate", FOLDER.name]
    os.environ.setdefault("EDGE_APPLIANCE__STATE_DIR", str(out / "state"))
    run(*evaluate, *synthetic, "--out", report, EDGE_HELDOUT=str(kept))
    real = ["--cases", default_data(), "--labels", report / "real_labels.csv", "--pictures", "none"]
    run(*evaluate, *real, "--out", out / "real")
    (report / "real.json").write_bytes((out / "real" / "report.json").read_bytes())


if __name__ == "__main__":
    main()
