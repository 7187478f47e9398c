"""The gate that a variant must pass, on small synthetic heads and the baseline."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.builder.heads import CALIBRATION, TEST, Series, scanned
from edge.builder.parity import Answer, compare, golden_complaints, read_series
from edge.builder.precision import Precision
from edge.builder.session import Session, Tensors, read_graph
from edge.builder.variants import RECORD, Bench, Trial, build_variants
from edge.clock import SystemClock
from edge.golden import load_golden_cases
from edge.imaging.phantom import Acquisition
from edge.models.contract import load_clinical_model

FOLDER = Path(__file__).resolve().parents[2] / "model_repo" / "ct_head_hyperdensity"
GRAPH = read_graph(FOLDER / "1" / "model.onnx")
MODEL = load_clinical_model(FOLDER)
SCAN = Acquisition(
    rows=96, columns=96, pixel_spacing_mm=2.4, slices=20, spacing_mm=6.5, slice_thickness_mm=6.5
)
CHOSEN = [h for h in TEST if h.name.endswith(("intraparenchymal 25 mL", "epidural 25 mL", "91901: no bleed"))]
TRIAL = Trial(
    calibration=(replace(CALIBRATION[0], scan=SCAN),), test=tuple(replace(h, scan=SCAN) for h in CHOSEN)
)


@pytest.fixture(scope="module")
def series() -> list[Series]:
    return [scanned(head) for head in TRIAL.test]


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(GRAPH)


def altered(session: Session, *, probability: float = 1.0, area: float = 1.0) -> Answer:
    """The baseline's answers with probabilities and mask areas scaled."""

    def answer(tensors: Tensors) -> Tensors:
        said = session.answer(tensors)
        mask = said["mask"].copy()
        blood = np.flatnonzero(mask >= 128)
        mask.flat[blood[: round(len(blood) * (1.0 - area))]] = 0
        return {"probability": said["probability"] * np.float32(probability), "mask": mask}

    return answer


def test_the_trial_has_heads_that_page_and_heads_that_do_not(series: list[Series], session: Session) -> None:
    assert len(TRIAL.test) == 3
    paged = [read_series(MODEL, s, session.answer).pages("intracranial_hemorrhage") for s in series]
    assert True in paged
    assert False in paged


def test_calibration_test_and_golden_heads_are_different_heads() -> None:
    seeds = [h.seed for h in (*CALIBRATION, *TEST)]
    assert len(set(seeds)) == len(seeds)


def test_fp32_against_itself_is_accepted_without_a_difference(series: list[Series], session: Session) -> None:
    readings = [read_series(MODEL, s, session.answer) for s in series]
    verdict = compare(readings, readings, [])
    assert verdict.accepted
    assert (verdict.largest_volume_change, verdict.largest_probability_change) == (0.0, 0.0)
    assert verdict.paged == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"probability": 0.6}, r"pages .* in FP32, does not page \(highest probability 0\.[56]"),
        ({"area": 0.85}, r"mL in FP32, .* mL here, 1\d\.\d% apart"),
    ],
)
def test_a_variant_that_decides_otherwise_is_refused_with_the_numbers(
    series: list[Series], session: Session, change: dict[str, float], named: str
) -> None:
    expected = [read_series(MODEL, s, session.answer) for s in series]
    found = [read_series(MODEL, s, altered(session, **change)) for s in series]
    verdict = compare(expected, found, [])
    assert not verdict.accepted
    assert len(verdict.refused) == 2
    for line in verdict.refused:
        assert line.startswith("seed 91")
        assert re.search(named, line), line


def test_a_page_that_fp32_would_not_send_is_refused_too(series: list[Series], session: Session) -> None:
    expected = [read_series(MODEL, s, altered(session, probability=0.6)) for s in series]
    found = [read_series(MODEL, s, session.answer) for s in series]
    assert len(compare(expected, found, []).refused) == 2


def test_four_percent_of_volume_are_let_through(series: list[Series], session: Session) -> None:
    expected = [read_series(MODEL, s, session.answer) for s in series]
    found = [read_series(MODEL, s, altered(session, area=0.97)) for s in series]
    verdict = compare(expected, found, [])
    assert verdict.accepted
    assert 0.02 < verdict.largest_volume_change < 0.05


def test_a_golden_case_answered_wrongly_is_named(session: Session) -> None:
    cases = load_golden_cases(FOLDER)
    assert golden_complaints(cases, session.answer) == []
    (complaint, *_) = golden_complaints(cases, altered(session, probability=0.5))
    assert complaint.startswith("golden case canary: probability is off by up to 0.")


def test_a_build_writes_what_passed_and_a_record_of_it(tmp_path: Path) -> None:
    said: list[str] = []
    bench = Bench(MODEL, FOLDER, GRAPH, TRIAL, SystemClock(), said.append)
    variants = build_variants(bench, list(Precision), tmp_path)
    assert [(v.precision, v.refused, v.tensorrt_refused) for v in variants] == [
        (p, (), "") for p in Precision
    ]
    assert variants[0].sha256 == MODEL.model.onnx_sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == [RECORD, "fp16.onnx", "fp32.onnx", "int8.onnx"]
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["test_seeds"] == [h.seed for h in TRIAL.test]
    assert record["variants"]["int8"]["parity"]["series"] == 3
    assert all(str(h.seed) in said[0] for h in TRIAL.test), "seeds are printed"


def test_the_default_model_in_fp16_passes_its_gate(tmp_path: Path) -> None:
    folder = FOLDER.with_name("ct_head_hemorrhage")
    graph = read_graph(folder / "1" / "model.onnx")
    bench = Bench(load_clinical_model(folder), folder, graph, TRIAL, SystemClock(), lambda line: None)
    _, fp16 = build_variants(bench, [Precision.FP32, Precision.FP16], tmp_path)
    assert fp16.refused == ()
    assert json.loads((tmp_path / RECORD).read_text())["variants"]["fp16"]["accepted"] is True


def test_a_test_set_without_a_finding_proves_nothing(tmp_path: Path) -> None:
    quiet = replace(TRIAL, test=TRIAL.test[-1:])
    bench = Bench(MODEL, FOLDER, GRAPH, quiet, SystemClock(), lambda line: None)
    fp32, fp16 = build_variants(bench, [Precision.FP32, Precision.FP16], tmp_path)
    assert fp32.accepted
    assert fp16.refused == ("no series of the test set has a finding in FP32: equal pages prove nothing",)


def test_a_refused_variant_leaves_no_graph_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = read_graph(FOLDER / "1" / "model.onnx")
    steepness = next(i for i in broken.graph.initializer if i.name == "c_4.0")
    steepness.float_data[0] = 0.5
    monkeypatch.setattr("edge.builder.variants.half", lambda graph: broken)
    (tmp_path / "fp16.onnx").write_bytes(b"of an earlier build")
    bench = Bench(MODEL, FOLDER, GRAPH, TRIAL, SystemClock(), lambda line: None)
    (variant,) = build_variants(bench, [Precision.FP16], tmp_path)
    assert not variant.accepted
    assert any("golden case" in line for line in variant.refused)
    assert not (tmp_path / "fp16.onnx").exists()
    assert json.loads((tmp_path / RECORD).read_text())["variants"]["fp16"]["accepted"] is False
