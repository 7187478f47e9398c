"""How a plan comes to be served and how it does not; TensorRT's process is played by a function.

Whether TensorRT itself plays along is asked in tests/contract/test_tensorrt.py.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.builder.cuda import NoGpu, find_gpu
from edge.builder.optimisation_profile import profile_of, shapes
from edge.builder.plan import (
    MEMORY_HINT,
    Job,
    NoPlan,
    Site,
    build_plan,
    choose,
    find_site,
    run_child,
)
from edge.builder.precision import Precision
from edge.builder.served_plan import ServedPlan
from edge.builder.variants import Variant
from edge.clock import SystemClock
from edge.errors import FixConfiguration, RefuseModel
from edge.models.contract import ClinicalModel, load_clinical_model

SHIPPED = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
MODEL = load_clinical_model(SHIPPED)


class Child:
    """Builds the bytes it is told to and answers as it is told to."""

    def __init__(self) -> None:
        self.plan = b"first plan"
        self.complaints: list[str] = []
        self.version = "10.3.0"
        self.cases = 3
        self.done: list[str] = []
        self.crash_in = ""

    def __call__(self, job: Job, timeout_s: float) -> dict[str, Any]:
        self.done.append(job["do"])
        if job["do"] == self.crash_in:
            raise RefuseModel("TensorRT's process ended with -11 and no reply")
        match job["do"]:
            case "build":
                assert Path(job["onnx"]).is_file()
                Path(job["plan"]).write_bytes(self.plan)
            case "answer":
                assert Path(job["plan"]).read_bytes() == self.plan
                return {"tensorrt": self.version, "complaints": self.complaints, "cases": self.cases}
            case _:
                pass
        return {"tensorrt": self.version}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / SHIPPED.name))


@pytest.fixture
def child() -> Child:
    return Child()


@pytest.fixture
def build(folder: Path, child: Child, tmp_path: Path) -> Callable[..., None]:
    fp16 = variant(Precision.FP16, folder / "1" / "model.onnx")
    site = Site("NVIDIA Orin", "MAXN", child)

    def run(model: ClinicalModel = MODEL) -> None:
        build_plan(model, folder, fp16, tmp_path, site, SystemClock(), lambda line: None)

    return run


@pytest.fixture
def built_twice(build: Callable[[], None], child: Child) -> None:
    """A plan of a newer TensorRT is served; the one before it is kept."""
    build()
    child.version, child.plan = "10.16.2", b"second plan"
    build()


def variant(precision: Precision, path: Path | None, *, tensorrt_refused: str = "") -> Variant:
    return Variant(precision, path, "", 0, 1.0, None, (), tensorrt_refused)


def served(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "1").iterdir() if p.name.startswith("model.plan")}


def test_a_plan_that_answers_rightly_is_served_with_its_record(
    folder: Path, build: Callable[[], None], child: Child
) -> None:
    build()
    plan = ServedPlan(folder)
    assert plan.path.read_bytes() == b"first plan"
    assert plan.record is not None
    assert plan.record.title.startswith("fp16, TensorRT 10.3.0, NVIDIA Orin, MAXN, 20")
    assert child.done == ["version", "build", "answer"]
    assert plan.previous is None


def test_the_same_graph_tensorrt_and_gpu_are_not_built_twice(build: Callable[[], None], child: Child) -> None:
    build()
    build()
    assert child.done.count("build") == 1


@pytest.mark.usefixtures("built_twice")
def test_another_tensorrt_means_another_plan_and_the_old_one_is_kept(folder: Path) -> None:
    plan = ServedPlan(folder)
    assert plan.path.read_bytes() == b"second plan"
    assert plan.previous is not None
    assert plan.previous.key.tensorrt == "10.3.0"


def test_a_larger_batch_means_another_plan(folder: Path, build: Callable[..., None], child: Child) -> None:
    """Triton refuses a plan whose profile is smaller than the max_batch_size of config.pbtxt."""
    build()
    child.plan = b"plan of sixteen"
    build(MODEL.model_copy(update={"tensors": MODEL.tensors.model_copy(update={"max_batch": 16})}))
    assert child.done.count("build") == 2
    record = ServedPlan(folder).record
    assert record is not None
    assert "16x3x1024x1024" in record.key.profile


@pytest.mark.parametrize("trouble", ["version", "build", "answer", "complaints"])
def test_whatever_fails_the_served_plan_is_not_touched(
    folder: Path, build: Callable[[], None], child: Child, trouble: str, tmp_path: Path
) -> None:
    build()
    before = served(folder)
    child.version, child.plan = "11.4.0", b"bad plan"
    if trouble == "complaints":
        child.complaints = ["golden case canary: probability is off by up to 0.9"]
    else:
        child.crash_in = trouble
    with pytest.raises(RefuseModel):
        build()
    assert served(folder) == before
    assert not (tmp_path / "candidate.plan").exists()


def test_a_plan_that_was_asked_nothing_is_not_served(
    folder: Path, build: Callable[[], None], child: Child
) -> None:
    child.cases = 0
    with pytest.raises(RefuseModel, match="no case"):
        build()
    assert served(folder) == {}


def test_a_read_only_repository_is_told_before_minutes_of_building(
    build: Callable[[], None], child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere else
    with pytest.raises(FixConfiguration, match="read-only"):
        build()
    assert child.done == []


@pytest.mark.usefixtures("built_twice")
def test_rollback_exchanges_the_plans_and_can_be_undone(folder: Path) -> None:
    plan = ServedPlan(folder)
    assert plan.rollback(MODEL).key.tensorrt == "10.3.0"
    assert plan.path.read_bytes() == b"first plan"
    assert plan.rollback(MODEL).key.tensorrt == "10.16.2"
    assert plan.path.read_bytes() == b"second plan"


@pytest.mark.usefixtures("built_twice")
def test_no_way_back_to_a_plan_of_other_weights(folder: Path) -> None:
    before = served(folder)
    trained_anew = MODEL.model.model_copy(update={"onnx_sha256": "0" * 64})
    with pytest.raises(RefuseModel, match=r"of another model\.onnx; the served one is as before"):
        ServedPlan(folder).rollback(MODEL.model_copy(update={"model": trained_anew}))
    assert served(folder) == before


def test_without_an_earlier_plan_there_is_no_rollback(folder: Path, build: Callable[[], None]) -> None:
    build()
    before = served(folder)
    with pytest.raises(FixConfiguration, match="no earlier plan"):
        ServedPlan(folder).rollback(MODEL)
    assert served(folder) == before


def test_a_record_of_other_bytes_is_not_believed(folder: Path, build: Callable[[], None]) -> None:
    build()
    (folder / "1" / "model.plan").write_bytes(b"copied from another box")
    assert ServedPlan(folder).present
    assert ServedPlan(folder).record is None


@pytest.mark.parametrize("damage", ["", "{}", '{"key": 3}', '{"key": {}, "more": 1}', "[1]"])
def test_a_damaged_record_is_no_record(folder: Path, build: Callable[[], None], damage: str) -> None:
    build()
    (folder / "1" / "model.plan.json").write_text(damage)
    assert ServedPlan(folder).record is None


def test_the_plan_is_made_of_an_accepted_variant_only(tmp_path: Path) -> None:
    fp32, fp16 = variant(Precision.FP32, tmp_path), variant(Precision.FP16, tmp_path)
    refused = variant(Precision.FP16, None)
    unfit = variant(Precision.FP16, tmp_path, tensorrt_refused="short is INT16, which TensorRT lacks")
    assert choose((fp32, fp16), None) is fp16
    assert choose((fp32, refused), None) is fp32
    assert choose((fp32, unfit), None) is fp32
    assert isinstance(choose((fp32, refused), Precision.FP16), NoPlan)
    assert choose((fp32, fp16), Precision.FP32) is fp32


def test_the_profile_spans_every_matrix_and_the_models_batch() -> None:
    spans = shapes(MODEL)
    assert spans["slab_hu"][0] == [1, 3, 64, 64]
    assert spans["slab_hu"][2] == [8, 3, 1024, 1024]
    assert spans["pixel_spacing_mm"] == [[1, 2], [1, 2], [8, 2]]
    words = "slab_hu 1x3x64x64 1x3x512x512 8x3x1024x1024, pixel_spacing_mm 1x2 1x2 8x2"
    assert profile_of(MODEL) == words


def test_without_a_driver_there_is_no_gpu_and_the_reason_says_so() -> None:
    found = find_gpu("libcuda_of_nobody.so.1")
    assert found == NoGpu("there is no NVIDIA driver here (libcuda_of_nobody.so.1)")


def test_without_a_gpu_tensorrt_is_not_even_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.builder.plan.find_gpu", lambda: NoGpu("there is no NVIDIA driver here"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: pytest.fail("looked for TensorRT"))
    found = find_site()
    assert isinstance(found, NoPlan)
    assert found.hint


def test_a_child_without_tensorrt_says_so() -> None:
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed here")
    with pytest.raises(RefuseModel, match="tensorrt"):
        run_child({"do": "version"}, 60.0)


@pytest.mark.parametrize(
    ("child", "message", "hint"),
    [
        ("""echo '{"failed": "out of memory", "memory": true}'""", "out of memory", MEMORY_HINT),
        ("""echo '{"failed": "no importer", "memory": false}'""", "no importer", ""),
        ("kill -9 $$", "ended with -9 and no reply", MEMORY_HINT),
        ("exit 1", "ended with 1 and no reply", ""),
    ],
)
def test_a_child_that_lacks_memory_comes_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str, message: str, hint: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{child}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(RefuseModel, match=message) as refused:
        run_child({"do": "version"}, 10.0)
    assert refused.value.advice == hint
