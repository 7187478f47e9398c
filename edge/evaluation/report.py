"""The report as data: everything the page shows, without pictures, as plain JSON values."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from edge import __version__
from edge.domain.finding import FindingRule
from edge.domain.outcome import OutcomeKind
from edge.evaluation.figures import (
    PAGE_SPECIFICITY,
    CaseSaid,
    SliceFigures,
    UnitFigures,
    VolumeFigures,
    side_figures,
    slice_figures,
    spread,
    unit_figures,
    volume_figures,
)
from edge.evaluation.statistics import Proportion, Roc
from edge.models.contract import ClinicalModel

SCHEMA = "edge-evaluation/1"
NOTICE = "Research use, not for clinical use."
# An outcome without evidence is no answer of the model; it is counted, and left out of the figures.
_UNJUDGED = frozenset({OutcomeKind.NOT_ELIGIBLE, OutcomeKind.FAILED})


@dataclass(frozen=True, slots=True)
class Answered:
    """What computed the answers: `platform`, `versions` and `inputs` (data type by name) as Triton says.

    `weights` is the file where that is known and empty where it is not. Triton tells no precision: for a
    plan it is what the model's folder here records, which a server elsewhere may not have taken.
    """

    platform: str
    versions: tuple[str, ...]
    inputs: Mapping[str, str]
    weights: str


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """Why an evaluation ended before its last case; `cases_left` were not judged."""

    reason: str
    cases_left: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was run, so that it can be run again; names of files and folders are left out."""

    command: str
    server: str
    phantoms: int
    seed: int
    generator: str
    phantoms_sha256: str
    cases_sha256: str
    labels_sha256: str
    answered_by: Answered | None
    broken_off: BrokenOff | None


@dataclass(frozen=True)
class Timing:
    """Seconds of each slab: `queued` behind other slabs of its series, `took` at the server."""

    queued: tuple[float, ...]
    took: tuple[float, ...]


@dataclass(frozen=True)
class Figures:
    """All numbers of a report: `series` whole series, `singles` slices that came alone."""

    judged: tuple[CaseSaid, ...]
    series: UnitFigures
    singles: UnitFigures
    slices: SliceFigures
    volume: VolumeFigures


def figures_of(said: Sequence[CaseSaid], rules: Sequence[FindingRule]) -> Figures:
    """Of the cases that the model could judge."""
    judged = tuple(c for c in said if c.outcome not in _UNJUDGED)
    return Figures(
        judged=judged,
        series=unit_figures([c for c in judged if not c.single_slice], rules),
        singles=unit_figures([c for c in judged if c.single_slice], rules),
        slices=slice_figures(judged, rules),
        volume=volume_figures(judged),
    )


def report(
    model: ClinicalModel, said: Sequence[CaseSaid], figures: Figures, timing: Timing, ran: Provenance
) -> dict[str, Any]:
    """JSON values only; numbers are rounded to four significant digits."""
    known = [c.truth for c in said if c.truth is not None]
    made = {
        "schema": SCHEMA,
        "notice": NOTICE,
        "model": {"title": model.model.title, **dataclasses.asdict(model.identity)},
        "operating_points": {r.key: {"page": r.page, "worklist": r.worklist} for r in model.rules},
        "ran": ran,
        "machine": machine(),
        "cases": {
            "all": len(said),
            "synthetic": sum(c.synthetic for c in said),
            "with_blood": sum(t.positive for t in known),
            "without_blood": sum(not t.positive for t in known),
            "unlabelled": len(said) - len(known),
            "outcomes": {k.value: n for k in OutcomeKind if (n := sum(c.outcome is k for c in said))},
        },
        "series": _unit(figures.series),
        "single_slices": _unit(figures.singles),
        "slices": {
            "slices": figures.slices.slices,
            "roc": _curve(figures.slices.roc),
            "calibration": figures.slices.calibration,
            "by_key": figures.slices.by_key,
        },
        "volume": {"reported": figures.volume.reported, "mask": figures.volume.mask},
        "side": side_figures(figures.judged, model.rules),
        "seconds_per_slice": {
            "slices": len(timing.took),
            "took": spread(timing.took),
            "queued_and_took": spread([q + t for q, t in zip(timing.queued, timing.took, strict=True)]),
        },
        "each_case": [_case(c) for c in said],
    }
    return plain(made)


def machine() -> dict[str, str | int]:
    """What the seconds were measured on."""
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [
        line.split(":", 1)[1].strip() for line in described.splitlines() if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "edge": __version__,
    }


def plain(value: Any) -> Any:
    """The value in JSON's words; what has no number, as an infinite threshold, becomes null."""
    match value:
        case Proportion():
            return plain(
                {"hits": value.hits, "of": value.of, "value": value.value, "interval": value.interval}
            )
        case Enum():
            return value.value
        case bool() | int() | str() | None:
            return value
        case float():
            return float(f"{value:.4g}") if math.isfinite(value) else None
        case frozenset() | set():
            return sorted(str(v) for v in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] # matched by class
        case list() | tuple():
            return [plain(v) for v in value]  # pyright: ignore[reportUnknownVariableType] # matched by class
        case Mapping():
            return {str(plain(k)): plain(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType] # matched by class
        case _:
            fields = dataclasses.fields(value)
            return {f.name: plain(getattr(value, f.name)) for f in fields}


def _unit(unit: UnitFigures) -> dict[str, Any]:
    return {
        "roc": _curve(unit.roc, points=True),
        "sensitivity": unit.sensitivity,
        "by_volume": unit.by_volume,
        "specificity": unit.specificity,
    }


def _curve(curve: Roc | None, *, points: bool = False) -> dict[str, Any] | None:
    if curve is None:
        return None
    best = curve.best_at(PAGE_SPECIFICITY)
    summary = {
        "auc": curve.auc,
        "auc_interval": curve.auc_interval,
        "positives": curve.positives,
        "negatives": curve.negatives,
        f"best_at_specificity_{PAGE_SPECIFICITY}": best,
    }
    return {**summary, "points": curve.points} if points else summary


def _case(case: CaseSaid) -> dict[str, Any]:
    truth = case.truth
    return {
        "case": case.name,
        "synthetic": case.synthetic,
        "group": case.group,
        "slices": len(case.slices),
        "thickness_mm": case.thickness_mm,
        "truth": None if truth is None else truth.findings,
        "truth_ml": None if truth is None else truth.volume_ml,
        "outcome": case.outcome,
        "reason": case.reason,
        "highest_probability": max(
            (max(s.probability.values(), default=0.0) for s in case.slices), default=0.0
        ),
        "findings": [f for f in case.findings if f.level is not None or case.score == f.score > 0],
    }
