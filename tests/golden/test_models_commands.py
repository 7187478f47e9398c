"""`edge models build` and `list` at the command line, without a server and without a GPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge import build_command
from edge.builder.optimisation_profile import profile_of
from edge.builder.plan import Job, NoPlan, Site
from edge.builder.precision import Precision
from edge.builder.served_plan import PlanKey, PlanRecord, ServedPlan, sha256_of
from edge.builder.session import read_graph
from edge.builder.variants import Variant
from edge.cli import main
from edge.clock import SystemClock
from edge.errors import RefuseModel
from edge.list_command import Serving, plan, precisions, served
from edge.models.contract import load_clinical_model
from edge.settings import Settings
from edge.triton.grpc_channel import ModelMetadata
from tests.golden.test_parity import TRIAL

SHIPPED = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
NAME = SHIPPED.name


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the baseline's folder, settings that point to it, and a trial of three small heads."""
    shutil.copytree(SHIPPED, tmp_path / "repository" / NAME)
    monkeypatch.setenv("EDGE_MODELS__REPOSITORY", str(tmp_path / "repository"))
    monkeypatch.setenv("EDGE_APPLIANCE__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("EDGE_TRITON__GRPC_URL", "127.0.0.1:1")
    monkeypatch.setattr(build_command, "Trial", lambda: replace(TRIAL, test=TRIAL.test[:1]))
    monkeypatch.setattr(build_command, "find_site", lambda: NoPlan("there is no NVIDIA driver here", "Try."))
    return tmp_path / "repository"


def plan_of(folder: Path, content: bytes, tensorrt: str, work: Path) -> PlanRecord:
    candidate = work / "candidate"
    candidate.write_bytes(content)
    model = load_clinical_model(folder)
    key = PlanKey(model.model.onnx_sha256, "0" * 64, profile_of(model), tensorrt, "NVIDIA Orin", "")
    record = PlanRecord(key, "fp16", sha256_of(candidate), "2026-01-01T00:00:00+00:00", 3)
    ServedPlan(folder).promote(candidate, record)
    return record


def test_without_a_gpu_the_variants_are_made_and_the_plan_is_explained(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["models", "build", NAME, "--precision", "fp32"]) == 0
    said = capsys.readouterr().out
    assert "fp32  ok" in said
    assert "no TensorRT plan: there is no NVIDIA driver here. Try." in said
    assert (tmp_path / "state" / "models" / NAME / "fp32.onnx").is_file()
    assert not ServedPlan(repository / NAME).present


@pytest.mark.usefixtures("repository")
def test_whoever_needs_a_plan_is_told_by_the_exit_code(tmp_path: Path) -> None:
    asked = ["models", "build", NAME, "--precision", "fp32", "--out", str(tmp_path / "out"), "--require-plan"]
    assert main(asked) == 69
    assert json.loads((tmp_path / "out" / "build.json").read_text())["model"] == NAME


@pytest.mark.usefixtures("repository")
def test_an_unknown_precision_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", "build", NAME, "--precision", "fp32,fp8"])
    assert ended.value.code == 2
    assert "fp8" in capsys.readouterr().err


@pytest.mark.usefixtures("repository")
def test_a_place_that_cannot_be_written_to_is_told_before_any_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["models", "build", NAME, "--out", str(tmp_path / "file" / "below")]) == 78
    assert "Name another folder with --out." in capsys.readouterr().err


@pytest.mark.usefixtures("repository")
def test_an_unknown_model_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "build", "ct_chest"]) == 78
    assert f"It holds {NAME}." in capsys.readouterr().err


def test_a_folder_that_contradicts_itself_is_not_built_from(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (repository / NAME / "1" / "model.onnx").open("ab") as graph:
        graph.write(b"\0")
    assert main(["models", "build", NAME]) == 78
    assert "onnx_sha256" in capsys.readouterr().err


def test_rollback_says_which_plan_is_served_now(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["models", "build", NAME, "--rollback"]) == 78
    plan_of(repository / NAME, b"first", "10.3.0", tmp_path)
    plan_of(repository / NAME, b"second", "10.16.2", tmp_path)
    assert main(["models", "build", NAME, "--rollback"]) == 0
    assert "now the plan of ct_head_hyperdensity: fp16, TensorRT 10.3.0" in capsys.readouterr().out


def test_the_list_tells_points_precisions_plan_and_server(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nobody(settings: Settings, models: list[str]) -> dict[str, Serving]:
        return {model: Serving(None, "nobody listens") for model in models}

    monkeypatch.setattr("edge.list_command._asked", nobody)
    monkeypatch.setenv("EDGE_MODELS__ACTIVE", NAME)
    plan_of(repository / NAME, b"first", "10.3.0", tmp_path)
    shutil.copytree(repository / NAME, repository / "broken")
    clinical = repository / NAME / "clinical.toml"
    clinical.write_text(
        clinical.read_text().replace("min_volume_ml = 1.0", "min_volume_ml = 1.0, min_extent_mm = 9")
    )
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    assert f"{NAME} 1.0.0  (active)" in said
    assert "page at 0.7 on 2 slices and 9 mm with 1 mL; worklist at 0.5 on 1 slice with 0.3 mL" in said
    assert "precision  fp32; no others built here" in said
    assert "plan       fp16, TensorRT 10.3.0, NVIDIA Orin" in said
    assert "measured   nothing that clinical.toml knows of" in said
    assert "triton     127.0.0.1:1 does not serve it: nobody listens" in said
    assert "broken\n  REFUSED " in said


def test_variants_of_another_graph_are_not_listed_as_this_models(tmp_path: Path) -> None:
    model = load_clinical_model(SHIPPED)
    record = {"onnx_sha256": model.model.onnx_sha256, "variants": {"fp32": {"accepted": True}}}
    record["variants"] |= {"fp16": {"accepted": True}, "int8": {"accepted": False}}
    (tmp_path / "build.json").write_text(json.dumps(record))
    assert precisions(model, tmp_path) == "fp32, fp16 ok, int8 refused"
    (tmp_path / "build.json").write_text(json.dumps({**record, "onnx_sha256": "0" * 64}))
    assert precisions(model, tmp_path) == "fp32; the variants built here are of another graph"


def test_what_is_served_is_told_with_its_precision(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / NAME))
    plan_of(folder, b"first", "10.3.0", tmp_path)
    on_gpu = Serving(ModelMetadata("tensorrt_plan", {"slab_hu": "FP16"}), "")
    on_cpu = Serving(ModelMetadata("python", {"slab_hu": "INT16"}), "")
    kept = ServedPlan(folder)
    assert served(on_gpu, kept) == "serves it in fp16 on TensorRT, slab_hu as FP16"
    assert served(on_cpu, kept) == "serves it in fp32 on ONNX Runtime (python backend), slab_hu as INT16"
    kept.path.write_bytes(b"something else")
    assert served(on_gpu, kept).startswith("serves it in unknown precision")


def test_a_plan_that_fails_is_told_as_a_refusal(repository: Path, tmp_path: Path) -> None:
    def crash(job: Job, timeout_s: float) -> dict[str, object]:
        raise RefuseModel("TensorRT's process ended with -11 and no reply")

    folder = repository / NAME
    graph = read_graph(folder / "1" / "model.onnx")
    bench = build_command.Bench(
        load_clinical_model(folder), folder, graph, TRIAL, SystemClock(), lambda line: None
    )
    fp32 = Variant(Precision.FP32, folder / "1" / "model.onnx", "", 0, None, None, (), "")
    with pytest.raises(RefuseModel, match="ended with -11 and no reply; the served plan is as before"):
        build_command.plan(bench, (fp32,), tmp_path, Site("NVIDIA Orin", "", crash), None)
    assert not ServedPlan(folder).present


def test_a_plan_of_other_weights_is_stale(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Thresholds are of one set of weights; another one's plan may answer as it likes."""
    folder = repository / NAME
    plan_of(folder, b"first", "10.3.0", tmp_path)
    assert main(["models", "check", NAME]) == 0
    model = load_clinical_model(folder)
    assert "STALE" not in plan(ServedPlan(folder), model)
    other = model.model_copy(update={"model": model.model.model_copy(update={"onnx_sha256": "1" * 64})})
    assert "STALE" in plan(ServedPlan(folder), other)
    record = folder / "1" / "model.plan.json"
    record.write_text(record.read_text().replace(model.model.onnx_sha256, "1" * 64))
    assert main(["models", "check", NAME]) != 0
    assert "is of another model.onnx" in capsys.readouterr().err


def test_a_plan_of_another_batch_or_without_a_record_is_stale(
    repository: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = repository / NAME
    plan_of(folder, b"for eight", "10.3.0", tmp_path)
    for name in ("clinical.toml", "config.pbtxt", "configs/cpu.pbtxt"):
        text = (folder / name).read_text()
        larger = text.replace("max_batch = 8", "max_batch = 16")
        larger = larger.replace("max_batch_size: 8", "max_batch_size: 16")
        assert larger != text
        (folder / name).write_text(larger)
    assert main(["models", "check", NAME]) == 78
    said = capsys.readouterr().err
    assert "is of another profile (slab_hu 1x3x64x64 1x3x512x512 8x3x1024x1024" in said
    assert "Build it anew" in said
    model = load_clinical_model(folder)
    assert "; STALE, of another profile (slab_hu" in plan(ServedPlan(folder), model)
    plan_of(folder, b"for sixteen", "10.3.0", tmp_path)
    assert main(["models", "check", NAME]) == 0
    assert "STALE" not in plan(ServedPlan(folder), model)

    record = folder / "1" / "model.plan.json"
    without = json.loads(record.read_text())
    del without["key"]["profile"]  # as builds of before wrote it
    record.write_text(json.dumps(without))
    assert main(["models", "check", NAME]) == 78
    assert "of no build that is recorded beside it" in capsys.readouterr().err
    assert plan(ServedPlan(folder), model).startswith("unknown; STALE, of no build")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("server", "hint"),
    [(NAME, f"check {NAME} --server`"), ("onnx", "check MODEL --server`"), ("8001", "MODEL")],
)
def test_a_server_that_is_no_address_is_refused_with_how_to_write_it(
    capsys: pytest.CaptureFixture[str], server: str, hint: str
) -> None:
    """`check --server MODEL` reads as a server of that name."""
    assert main(["models", "check", "--server", server]) == 78
    said = capsys.readouterr()
    assert f"--server {server} is neither embedded nor host:port" in said.err
    assert hint in said.err
    assert said.out == ""
