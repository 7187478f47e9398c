"""An evaluation asks a real tritonserver, its own or one that is there, and hears what ONNX Runtime says."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.triton.provision import Installation
from tests.triton_fixtures import MODEL, MODEL_FOLDER, RunningTriton, shared_state_dir


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(MODEL_FOLDER.parent))
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(shared_state_dir()))


def judged(out: Path, server: str) -> dict[str, Any]:
    options = ["--phantoms", "1", "--seed", "401", "--generator", "tests.fakes.small_heads:heads"]
    assert main(["models", "evaluate", MODEL, "--out", str(out), "--server", server, *options]) == 0
    return json.loads((out / "report.json").read_text())


def test_three_servers_and_one_answer(
    tmp_path: Path, installation: Installation, triton: RunningTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    servers = {"onnx": "onnx", "there": triton.settings.triton.grpc_url, "own": "embedded"}
    said = {name: judged(tmp_path / name, server) for name, server in servers.items()}
    assert said["there"]["ran"]["server"] == "URL"
    cpu = {
        "platform": "python",
        "versions": ["1"],
        "inputs": {"slab_hu": "INT16", "pixel_spacing_mm": "FP32"},
    }
    assert said["there"]["ran"]["answered_by"] == {**cpu, "weights": ""}
    assert said["own"]["ran"]["answered_by"] == {**cpu, "weights": "model.onnx"}
    (alone,) = said["onnx"]["each_case"]
    assert alone["findings"][0]["level"] == "page"
    assert said["there"]["each_case"] == said["own"]["each_case"]
    (asked,) = said["own"]["each_case"]
    assert asked["findings"][0]["volume_ml"] == pytest.approx(alone["findings"][0]["volume_ml"], rel=0.01)
    # What was started for it is gone.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["onnx", "own", "there"]
