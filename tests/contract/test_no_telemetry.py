"""ONNX Runtime for Linux sends telemetry to its maker by default; none of our processes may."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "model_repo" / "ct_head_hyperdensity" / "1" / "model.onnx"
LOAD = f"import onnxruntime; onnxruntime.InferenceSession({str(MODEL)!r})"


def traces(code: str, home: Path) -> list[Path]:
    """Files the telemetry client left in a fresh home folder: its device id and its queue."""
    environment = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI")}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**environment, "HOME": str(home)}, check=True)
    return [p for p in home.rglob("*") if p.is_file()]


def test_importing_edge_keeps_onnx_runtime_silent(tmp_path: Path) -> None:
    assert traces(f"import edge; {LOAD}", tmp_path) == []


def test_the_fallback_worker_is_silent(tmp_path: Path) -> None:
    assert traces(f"import edge.triton.onnx_worker; {LOAD}", tmp_path) == []
