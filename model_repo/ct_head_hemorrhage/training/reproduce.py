"""Weights, operating points and report of the version that is served, by one command.

`python -m model_repo.ct_head_hemorrhage.training.reproduce --out runs/one` trains, exports, draws the
held-out series, chooses the points, evaluates through Triton and writes all of it into the model's
folder. A step that is done is not done again; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from model_repo.ct_head_hemorrhage.training.operating_points import FOLDER, REPORT
from model_repo.ct_head_hemorrhage.training.samples import default_data

MODULES = "model_repo.ct_head_hemorrhage.training"
VERSION = "0.5.0"
# The weights it goes on from are those of 0.4.0, as this commit has them.
START = "839036d"
SEED, STEPS, FRESH, RATE, SERIES = 53, 5000, 5, 1.2e-3, 160
ROOT = FOLDER.parents[1]


def run(*words: object, **settings: str) -> None:
    """Raises CalledProcessError where the step fails."""
    said = [str(w) for w in words]
    print("$ python -m", *said, flush=True)
    subprocess.run([sys.executable, "-m", *said], cwd=ROOT, env=os.environ | settings, check=True)


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
    parser.add_argument("--compile", action="store_true", help="a quarter faster; needs a C++ compiler")
    asked = parser.parse_args()
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    words: list[object] = ["--out", out, "--seed", asked.seed, "--steps", asked.steps]
    words += ["--fresh", FRESH, "--rate", RATE]
    words += ["--start", start_graph(asked.start, out)] if asked.start != "nothing" else []
    run(f"{MODULES}.train", *words, *(["--compile"] if asked.compile else []))
    run(f"{MODULES}.export", out / "checkpoint.pt")
    kept, count = out / "heldout", asked.series
    points = ["--kept", kept, "--choose", count, "--count", count, "--write", VERSION]
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
