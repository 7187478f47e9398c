"""A model's graph in each precision, judged against FP32, with a record of how and how well."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx

from edge import __version__
from edge.builder.heads import CALIBRATION, TEST, Head, calibration_slabs, scanned, timing_slab
from edge.builder.parity import Verdict, compare, golden_complaints, read_series
from edge.builder.precision import Precision, half, quantized
from edge.builder.session import Session, Tensors
from edge.builder.tensorrt_input import for_tensorrt
from edge.errors import RefuseModel
from edge.golden import load_golden_cases
from edge.models.contract import ClinicalModel
from edge.ports import Clock
from edge.writable import made_writable

RECORD = "build.json"
_TIMED_ROUNDS = 15
_LIBRARIES = ("onnx", "onnxruntime", "numpy")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """What variants are made with and judged on."""

    calibration: tuple[Head, ...] = CALIBRATION
    test: tuple[Head, ...] = TEST


@dataclass(frozen=True)
class Variant:
    """One precision; `path` is None when it was refused, so that nobody serves it by mistake."""

    precision: Precision
    path: Path | None
    sha256: str
    byte_size: int
    ms_per_slice: float | None
    verdict: Verdict | None
    refused: tuple[str, ...]
    tensorrt_refused: str

    @property
    def accepted(self) -> bool:
        return self.path is not None


@dataclass(frozen=True)
class Bench:
    """The model under test and everything it is compared with."""

    model: ClinicalModel
    folder: Path
    graph: onnx.ModelProto
    trial: Trial
    clock: Clock
    say: Say


def build_variants(bench: Bench, precisions: Sequence[Precision], out: Path) -> tuple[Variant, ...]:
    """Writes each accepted variant and the record into `out`; a refused one leaves no graph behind.

    Raises FixConfiguration when `out` cannot be written to.
    """
    made_writable(out, RECORD)
    (out / RECORD).unlink(missing_ok=True)  # until there is a new one nothing is claimed of what lies here
    depth = bench.model.tensors.slab_depth
    heads = bench.trial.test
    bench.say(f"parity on {len(heads)} synthetic series, seeds {', '.join(str(h.seed) for h in heads)}")
    series = [scanned(head) for head in heads]
    golden = load_golden_cases(bench.folder)
    single = Session(bench.graph)
    expected = [read_series(bench.model, s, single.answer) for s in series]
    judged: dict[Precision, Variant] = {}
    sessions: dict[Precision, Session] = {}
    for precision in precisions:
        path = out / f"{precision}.onnx"
        path.unlink(missing_ok=True)
        try:
            graph = _converted(bench, precision)
            session = Session(graph)
        except RefuseModel as error:
            judged[precision] = _impossible(precision, str(error))
            continue
        found = [read_series(bench.model, s, session.answer) for s in series]
        complaints = golden_complaints(golden, session.answer)
        if precision is not Precision.FP32 and not any(r.findings for r in expected):
            complaints.append("no series of the test set has a finding in FP32: equal pages prove nothing")
        verdict = compare(expected, found, complaints)
        judged[precision] = _kept(path, precision, graph, verdict)
        sessions[precision] = session
    took = _ms_per_slice(sessions, timing_slab(depth), bench.clock)
    variants = tuple(replace(v, ms_per_slice=took.get(p)) for p, v in judged.items())
    _write_record(bench, variants, out / RECORD)
    return variants


def _converted(bench: Bench, precision: Precision) -> onnx.ModelProto:
    match precision:
        case Precision.FP32:
            return bench.graph
        case Precision.FP16:
            return half(bench.graph)
        case Precision.INT8:
            heads = bench.trial.calibration
            bench.say(f"INT8 calibrated on synthetic series, seeds {', '.join(str(h.seed) for h in heads)}")
            return quantized(bench.graph, calibration_slabs(heads, bench.model.tensors.slab_depth))


def _kept(path: Path, precision: Precision, graph: onnx.ModelProto, verdict: Verdict) -> Variant:
    data = graph.SerializeToString(deterministic=True)
    if verdict.accepted:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
    try:
        for_tensorrt(graph)
        obstacle = ""
    except RefuseModel as error:
        obstacle = str(error)
    return Variant(
        precision=precision,
        path=path if verdict.accepted else None,
        sha256=hashlib.sha256(data).hexdigest(),
        byte_size=len(data),
        ms_per_slice=None,
        verdict=verdict,
        refused=verdict.refused,
        tensorrt_refused=obstacle,
    )


def _impossible(precision: Precision, reason: str) -> Variant:
    return Variant(precision, None, "", 0, None, None, (reason,), reason)


def _ms_per_slice(
    sessions: Mapping[Precision, Session], slab: Tensors, clock: Clock
) -> dict[Precision, float]:
    """The fastest of several rounds on one core: what else the machine does slows all of them alike."""
    fastest = dict.fromkeys(sessions, float("inf"))
    for _ in range(_TIMED_ROUNDS):
        for precision, session in sessions.items():
            began = clock.monotonic()
            session.answer(slab)
            fastest[precision] = min(fastest[precision], 1000.0 * (clock.monotonic() - began))
    return fastest


def _write_record(bench: Bench, variants: Sequence[Variant], path: Path) -> None:
    record: dict[str, Any] = {
        "model": bench.model.model.name,
        "version": bench.model.model.version,
        "onnx_sha256": bench.model.model.onnx_sha256,
        "built_at": bench.clock.utc().isoformat(timespec="seconds"),
        "with": {"edge": __version__, **{name: version(name) for name in _LIBRARIES}},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one used",
        "load_average": round(os.getloadavg()[0], 1),
        "calibration_seeds": [h.seed for h in bench.trial.calibration],
        "test_seeds": [h.seed for h in bench.trial.test],
        "variants": {v.precision.value: _said(v) for v in variants},
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(record, indent=1) + "\n")
    fresh.replace(path)


def _said(variant: Variant) -> dict[str, Any]:
    return {
        "accepted": variant.accepted,
        "refused": list(variant.refused),
        "sha256": variant.sha256,
        "bytes": variant.byte_size,
        "ms_per_slice_512": None if variant.ms_per_slice is None else round(variant.ms_per_slice, 2),
        "parity": None if variant.verdict is None else asdict(variant.verdict),
        "tensorrt_input": variant.tensorrt_refused or "slab_hu FP16",
    }
