"""One command from seed to report: its order, and nothing of a stopped training is published."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from model_repo.ct_head_hemorrhage.training import reproduce

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = """
import signal, sys, time
def saved(*_):
    open(sys.argv[1] + ".saved", "w").close()
    sys.exit(75)
signal.signal(signal.SIGTERM, saved)
open(sys.argv[1], "w").close()
time.sleep(60)
"""


class Step:
    """Stands for the process of a step; `codes` says how each ends, 0 where it says nothing."""

    codes: ClassVar[dict[str, int]] = {}
    ran: ClassVar[list[list[str]]] = []

    def __init__(self, words: list[str], **_: object) -> None:
        self.ran.append(words[2:])

    def wait(self) -> int:
        return self.codes.get(self.ran[-1][0].rpartition(".")[2], 0)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    monkeypatch.setattr(reproduce.subprocess, "Popen", Step)
    monkeypatch.setattr(reproduce.signal, "signal", lambda *_: None)
    monkeypatch.setattr(reproduce, "start_graph", lambda _commit, out: out / "start.onnx")
    monkeypatch.setattr(reproduce, "FOLDER", tmp_path / "model")
    monkeypatch.setattr(Step, "codes", {})
    monkeypatch.setattr(Step, "ran", [])
    (tmp_path / "model" / "report").mkdir(parents=True)
    (tmp_path / "out" / "real").mkdir(parents=True)
    (tmp_path / "out" / "real" / "report.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["reproduce", "--out", str(tmp_path / "out")])
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(tmp_path))
    return Step.ran


def test_the_steps_come_in_order_with_the_recipe(steps: list[list[str]]) -> None:
    reproduce.main()
    assert [s[0].rpartition(".")[2] for s in steps] == ["train", "export", "operating_points", "edge", "edge"]
    train, _, points, *_ = steps
    assert train[train.index("--seed") + 1] == str(reproduce.SEED)
    assert points[points.index("--write") + 1] == reproduce.VERSION


def test_nothing_is_exported_of_a_training_that_was_stopped(
    steps: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "codes", {"train": 75})
    with pytest.raises(SystemExit) as stopped:
        reproduce.main()
    assert stopped.value.code == 75
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--seed", "9"], "--version"), (["--series", "4", "--version", "9"], "at least 10")],
)
def test_what_is_not_the_recipe_needs_a_version_of_its_own(
    steps: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, *options])
    with pytest.raises(SystemExit):
        reproduce.main()
    assert said in capsys.readouterr().err
    assert not steps


def test_a_step_hears_of_the_signal_and_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    there = tmp_path / "there"
    runs = f"from {reproduce.MODULES}.reproduce import run; run('sleeper', {str(there)!r})"
    paths = f"{ROOT}{os.pathsep}{tmp_path}"
    parent = subprocess.Popen([sys.executable, "-c", runs], env=os.environ | {"PYTHONPATH": paths}, cwd=ROOT)
    try:
        while not there.exists():
            assert parent.poll() is None
            time.sleep(0.02)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(timeout=20) == 75
    finally:
        parent.kill()
    assert there.with_name("there.saved").exists()
