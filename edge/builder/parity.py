"""The gate a variant must pass: the pages of FP32 on every series, and its volumes within 5 %."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge.builder.heads import Series
from edge.builder.session import Tensors
from edge.domain.evidence import SliceEvidence
from edge.domain.finding import Finding, Level
from edge.domain.identity import SopInstanceUID
from edge.domain.triage import settle
from edge.golden import GoldenCase
from edge.models.contract import ClinicalModel
from edge.models.slab_segmentation import interpret

VOLUME_TOLERANCE = 0.05

Answer = Callable[[Tensors], Tensors]


@dataclass(frozen=True)
class Reading:
    """What a graph makes of one series: findings at either operating point, and every slice's answer."""

    series: str
    findings: Mapping[str, Finding]
    evidence: Mapping[SopInstanceUID, SliceEvidence]

    def pages(self, key: str) -> bool:
        return key in self.findings and self.findings[key].level is Level.PAGE


@dataclass(frozen=True)
class Verdict:
    """`refused` names what is wrong, with numbers; empty means accepted."""

    refused: tuple[str, ...]
    series: int
    paged: int
    largest_volume_change: float
    largest_probability_change: float

    @property
    def accepted(self) -> bool:
        return not self.refused


def read_series(model: ClinicalModel, series: Series, answer: Answer) -> Reading:
    """What the agent would say of a complete series with these answers."""
    evidence: dict[SopInstanceUID, SliceEvidence] = {}
    centres = {s.header.sop_instance_uid: s for s in series.slices}
    for slab, tensors in series.slabs(model.tensors.slab_depth):
        centre = centres[slab.centre]
        evidence[slab.centre] = interpret(model, slab, centre, answer(tensors), degraded=False)
    findings = {f.rule.key: f for f in settle(model.rules, series.headers, evidence)}
    return Reading(series.name, findings, evidence)


def compare(expected: Sequence[Reading], found: Sequence[Reading], golden: Iterable[str]) -> Verdict:
    """The verdict on a variant's readings; `golden` are complaints of golden cases."""
    refused = list(golden)
    volume_change = probability_change = 0.0
    for before, after in zip(expected, found, strict=True):
        for key in sorted(before.findings.keys() | after.findings.keys()):
            if before.pages(key) != after.pages(key):
                refused.append(
                    f"{before.series}: {key} {_word(before, key)} in FP32, {_word(after, key)} here"
                )
            elif before.pages(key):
                was, volume_ml = before.findings[key].volume_ml, after.findings[key].volume_ml
                change = abs(volume_ml - was) / was if was > 0 else float(volume_ml > 0)
                volume_change = max(volume_change, change)
                if change > VOLUME_TOLERANCE:
                    words = f"{was:.2f} mL in FP32, {volume_ml:.2f} mL here, {change:.1%} apart"
                    refused.append(f"{before.series}: {key} {words}")
        probability_change = max(probability_change, _furthest(before, after))
    return Verdict(
        refused=tuple(refused),
        series=len(expected),
        paged=sum(any(r.pages(key) for key in r.findings) for r in expected),
        largest_volume_change=volume_change,
        largest_probability_change=probability_change,
    )


def golden_complaints(cases: Iterable[GoldenCase], answer: Answer) -> list[str]:
    """One line for each golden case whose known answer did not come."""
    complaints = ((case.name, case.mismatch(answer(case.inputs))) for case in cases)
    return [f"golden case {name}: {mismatch}" for name, mismatch in complaints if mismatch is not None]


def _word(reading: Reading, key: str) -> str:
    highest = max((e.probability[key] for e in reading.evidence.values()), default=0.0)
    return f"{'pages' if reading.pages(key) else 'does not page'} (highest probability {highest:.3f})"


def _furthest(before: Reading, after: Reading) -> float:
    return max(
        (
            abs(before.evidence[uid].probability[key] - after.evidence[uid].probability[key])
            for uid in before.evidence
            for key in before.evidence[uid].probability
        ),
        default=0.0,
    )
