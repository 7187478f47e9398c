"""What the builder asks of TensorRT, in which order, and what it makes of the answers."""

from __future__ import annotations

import ctypes
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.builder import tensorrt_child
from edge.builder.cuda import DeviceMemory
from edge.builder.optimisation_profile import shapes
from edge.builder.precision import half
from edge.builder.session import read_graph, write_graph
from edge.builder.tensorrt_child import JobFailed, answer, build, main
from edge.builder.tensorrt_input import for_tensorrt
from edge.models.contract import load_clinical_model
from tests.fakes.tensorrt import FakeMemory, FakeTensorRt

SHIPPED = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
BASELINE = read_graph(SHIPPED / "1" / "model.onnx")
Replied = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_child, "DeviceMemory", FakeMemory)


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    write_graph(for_tensorrt(half(BASELINE)), tmp_path / "graph.onnx")
    return {
        "onnx": str(tmp_path / "graph.onnx"),
        "plan": str(tmp_path / "candidate.plan"),
        "timing_cache": str(tmp_path / "timing.cache"),
        "inspector": str(tmp_path / "engine.json"),
        "workspace_mib": 64,
        "shapes": shapes(load_clinical_model(SHIPPED)),
        "model_folder": str(SHIPPED),
    }


@pytest.mark.parametrize(("version", "flags"), [("10.3.0", 2), ("10.16.1.11", 2), ("11.4.0.106", 0)])
def test_a_plan_is_built_with_profile_timings_and_record(
    job: dict[str, Any], version: str, flags: int
) -> None:
    trt: Any = FakeTensorRt(version)
    assert build(trt, job) == {"tensorrt": version}
    assert trt.flags == [flags]
    assert trt.profiled["slab_hu"] == ([1, 3, 64, 64], [1, 3, 512, 512], [8, 3, 1024, 1024])
    assert Path(job["plan"]).read_bytes() == Path(job["onnx"]).read_bytes()
    assert Path(job["timing_cache"]).read_bytes() == b"+timed"
    assert Path(job["inspector"]).read_text() == '{"Layers": []}'


def test_a_plan_that_answers_every_golden_case_has_no_complaint(job: dict[str, Any]) -> None:
    trt: Any = FakeTensorRt()
    build(trt, job)
    assert answer(trt, job) == {"tensorrt": "10.3.0", "complaints": [], "cases": 3}


def test_a_plan_that_answers_otherwise_is_complained_of_by_case(job: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "other"))
    path = folder / "golden" / "canary.npz"
    with np.load(path) as arrays:
        wrong = {name: arrays[name] for name in arrays.files}
    wrong["output.mask"] = 255 - wrong["output.mask"]
    np.savez(path, **wrong)
    trt: Any = FakeTensorRt()
    build(trt, job)
    (complaint,) = answer(trt, {**job, "model_folder": str(folder)})["complaints"]
    assert complaint == "golden case canary: mask is off by up to 255"


def test_timings_of_the_last_build_are_used_and_those_of_another_gpu_are_not(job: dict[str, Any]) -> None:
    trt: Any = FakeTensorRt()
    build(trt, job)
    build(trt, job)
    Path(job["timing_cache"]).write_bytes(b"of another GPU")
    build(trt, job)
    assert trt.taken_caches == [b"", b"+timed", b""]


def test_a_graph_that_cannot_be_parsed_is_told_in_the_parsers_words(job: dict[str, Any]) -> None:
    Path(job["onnx"]).write_bytes(b"no graph")
    trt: Any = FakeTensorRt()
    with pytest.raises(JobFailed, match="no importer for Nonsense"):
        build(trt, job)


def test_no_engine_no_plan(job: dict[str, Any]) -> None:
    trt: Any = FakeTensorRt()
    trt.builds = False
    with pytest.raises(JobFailed, match="built no engine"):
        build(trt, job)
    assert not Path(job["plan"]).exists()


def test_a_plan_of_other_tensor_types_is_not_asked(job: dict[str, Any]) -> None:
    trt: Any = FakeTensorRt()
    build(trt, job)
    trt.tensor_types["slab_hu"] = "FLOAT"
    with pytest.raises(JobFailed, match="no tensor slab_hu of type float16"):
        answer(trt, job)


class Driver:
    """libcuda, of which one function fails."""

    def __init__(self, failing: str, result: int) -> None:
        self._failing, self._result = failing, result

    def __getattr__(self, function: str) -> Any:
        return lambda *arguments: self._result if function == self._failing else 0


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    found = FakeTensorRt()
    monkeypatch.setattr(tensorrt_child, "tensorrt", lambda: found)
    return found


@pytest.fixture
def replied(
    trt: FakeTensorRt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Replied:
    """The child's reply to a job, read as its parent reads it."""

    def reply(job: dict[str, Any]) -> dict[str, Any]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(job)))
        main()
        return dict(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))

    return reply


@pytest.mark.parametrize(("result", "memory"), [(2, True), (700, False)])
def test_a_driver_that_fails_is_replied_and_want_of_memory_told_apart(
    job: dict[str, Any], replied: Replied, monkeypatch: pytest.MonkeyPatch, result: int, memory: bool
) -> None:
    assert replied({**job, "do": "build"}) == {"ok": {"tensorrt": "10.3.0"}}
    monkeypatch.setattr(tensorrt_child, "DeviceMemory", DeviceMemory)
    monkeypatch.setattr(ctypes, "CDLL", lambda library: Driver("cuMemAlloc_v2", result))
    said = replied({**job, "do": "answer"})
    assert said["memory"] is memory
    assert said["failed"].startswith(f"cuMemAlloc_v2 of the NVIDIA driver returned {result}")
    assert said["failed"].endswith("out of memory") is memory


def test_no_engine_may_be_for_want_of_memory_and_a_bad_graph_is_not(
    job: dict[str, Any], replied: Replied, trt: FakeTensorRt
) -> None:
    trt.builds = False
    assert replied({**job, "do": "build"})["memory"] is True
    Path(job["onnx"]).write_bytes(b"no graph")
    assert replied({**job, "do": "build"})["memory"] is False


def test_memory_that_python_itself_lacks_is_replied_too(
    job: dict[str, Any], replied: Replied, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise MemoryError

    monkeypatch.setattr(tensorrt_child, "DeviceMemory", none_left)
    replied({**job, "do": "build"})
    said = replied({**job, "do": "answer"})
    assert said == {"failed": "no memory is left for TensorRT's process", "memory": True}
