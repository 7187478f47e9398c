"""Which plan answered an evaluation, as far as the folder here knows."""

from __future__ import annotations

from pathlib import Path

from edge.builder.served_plan import PlanKey, PlanRecord, ServedPlan, sha256_of
from edge.evaluation.page import answered_words
from edge.evaluation.report import Answered, plain
from edge.evaluation.server import Answering, answered
from edge.triton.grpc_channel import ModelMetadata

ON_GPU = ModelMetadata("tensorrt_plan", {"slab_hu": "FP16"}, ("1",))


def there(folder: Path) -> Answering:
    return Answering("gpu-box:8001", "gpu-box:8001", folder, shared_memory=False, in_flight=1)


def promoted(folder: Path) -> None:
    (folder / "1").mkdir()
    candidate = folder / "candidate"
    candidate.write_bytes(b"a plan")
    key = PlanKey("1" * 64, "0" * 64, "", "10.3.0", "NVIDIA Orin", "")
    record = PlanRecord(key, "fp16", sha256_of(candidate), "2026-01-01T00:00:00+00:00", 3)
    ServedPlan(folder).promote(candidate, record)


def test_a_plan_is_told_from_fp32_on_the_cpu(tmp_path: Path) -> None:
    promoted(tmp_path)
    by = answered(there(tmp_path), ON_GPU)
    assert by == Answered(
        "tensorrt_plan",
        ("1",),
        {"slab_hu": "FP16"},
        "model.plan, recorded here as fp16, TensorRT 10.3.0, NVIDIA Orin, 2026-01-01T00:00:00+00:00",
    )
    assert answered_words(plain(by)) == f"tensorrt_plan; version 1; slab_hu as FP16; {by.weights}"


def test_of_a_plan_that_is_not_recorded_no_precision_is_claimed(tmp_path: Path) -> None:
    assert answered(there(tmp_path), ON_GPU).weights == "model.plan, of which nothing is recorded here"


def test_of_a_server_elsewhere_the_weights_are_not_claimed(tmp_path: Path) -> None:
    promoted(tmp_path)
    by = answered(there(tmp_path), ModelMetadata("python", {}, ("1", "2")))
    assert by.weights == ""
    assert answered_words(plain(by)) == "python; version 1, version 2; weights not known here"
