"""Upper layer, command sets and reader against bytes nobody would send, for a bounded time.

EDGE_FUZZ_SEED repeats a run, EDGE_FUZZ_S makes it longer. Without atheris, which not every machine has,
the seeds and all that once broke a target still run.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contract.spool_child import ROOT
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

LEAST_RUNS = 100
no_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="no atheris for this Python or machine (pip install atheris)",
)


@pytest.mark.parametrize("target", TARGETS)
def test_no_seed_and_nothing_that_once_broke_it_breaks_it(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@no_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_atheris_finds_breaks_it(tmp_path: Path, target: str) -> None:
    seed = int(os.environ.get("EDGE_FUZZ_SEED", time.time_ns() % 1_000_000))
    seconds = int(os.environ.get("EDGE_FUZZ_S", "10"))
    print(f"EDGE_FUZZ_SEED={seed}")
    argv = [sys.executable, "-m", "tests.fuzz", target, str(tmp_path)]
    options = [f"-seed={seed}", f"-max_total_time={seconds}", "-print_final_stats=1", "-verbosity=1"]
    run = subprocess.run(
        [*argv, *options], cwd=ROOT, capture_output=True, text=True, timeout=seconds + 240, check=False
    )
    for crash in sorted((tmp_path / "crashes").iterdir()):
        print(crash.name, base64.b64encode(crash.read_bytes()).decode())
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", run.stderr)
    assert found is not None, run.stderr[-3000:]
    print(target, found.group(1), "runs;", re.findall(r"cov: \d+ ft: \d+", run.stderr)[-1:])
    assert int(found.group(1)) >= LEAST_RUNS
