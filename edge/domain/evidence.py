"""What the model said of each slice, and what a run of slices adds up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edge.domain.adjacency import SAME_POSITION_MM, neighbours, promised_step_mm, smallest_step_mm
from edge.domain.finding import Finding, FindingRule, Level, OperatingPoint, Places, Side
from edge.domain.identity import SopInstanceUID
from edge.domain.series import Slab, SliceHeader

# So much of the area has to lie on one side for a finding to be called left or right.
ONE_SIDED = 0.75
# What a lone slice stands for that says neither its thickness nor a distance.
_UNSAID_MM = 1.0


@dataclass(frozen=True, slots=True)
class SliceEvidence:
    """The model's answer for the centre of one slab: per finding key a probability and a mask area.

    `left_share` is the part of that area on the patient's left, of keys with an area in a slice
    whose midline could be seen.
    """

    slab: Slab
    probability: Mapping[str, float]
    area_mm2: Mapping[str, float]
    degraded: bool = False
    left_share: Mapping[str, float] = field(default_factory=dict[str, float])


def find(
    rule: FindingRule,
    slices: Sequence[SliceHeader],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
) -> Finding | None:
    """The finding at the strictest operating point passed, or None; slices come feet to head.

    What passes decides; what is reported reaches on to both sides, as far as slices reach the lower of the
    two probabilities: a strict point is passed by the middle of a clot alone.
    """
    for level, point in ((Level.PAGE, rule.page), (Level.WORKLIST, rule.worklist)):
        runs = [r for r in _runs(rule.key, point, slices, evidence) if _passes(rule.key, point, r, evidence)]
        if runs:
            run = max(runs, key=lambda r: _volume_ml(rule.key, r, evidence))
            return _finding(rule, level, _extent(rule, run, slices, evidence), slices, evidence)
    return None


def _extent(
    rule: FindingRule,
    run: Sequence[SliceHeader],
    slices: Sequence[SliceHeader],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
) -> Sequence[SliceHeader]:
    lower = min(rule.worklist, rule.page, key=lambda point: point.probability)
    return next(wider for wider in _runs(rule.key, lower, slices, evidence) if run[0] in wider)


def nothing_found(rule: FindingRule, evidence: Mapping[SopInstanceUID, SliceEvidence]) -> Finding:
    """What the last word on a page names when nothing passes: the highest probability that is left."""
    said = {uid: e.probability[rule.key] for uid, e in evidence.items()}
    key_slice = max(said, key=lambda uid: said[uid], default=SopInstanceUID(""))
    return Finding(rule, Level.WORKLIST, said.get(key_slice, 0.0), 0.0, (), key_slice)


def _runs(
    key: str,
    point: OperatingPoint,
    slices: Sequence[SliceHeader],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
) -> list[list[SliceHeader]]:
    smallest = smallest_step_mm(slices)
    runs: list[list[SliceHeader]] = []
    current: list[SliceHeader] = []
    for header in slices:
        said = evidence.get(header.sop_instance_uid)
        positive = said is not None and said.probability[key] >= point.probability
        if not positive or (current and not neighbours(current[-1], header, smallest)):
            runs.append(current)
            current = []
        if positive:
            current = [*current, header]
    return [r for r in [*runs, current] if r]


def _passes(
    key: str,
    point: OperatingPoint,
    run: Sequence[SliceHeader],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
) -> bool:
    if len(run) < point.min_contiguous_slices:
        return False
    # Places along a table or an oblique normal do not add up to the last digit.
    extent_mm = sum(_stands_for_mm(run)) + SAME_POSITION_MM
    return extent_mm >= point.min_extent_mm and _volume_ml(key, run, evidence) >= point.min_volume_ml


def _volume_ml(
    key: str, run: Sequence[SliceHeader], evidence: Mapping[SopInstanceUID, SliceEvidence]
) -> float:
    areas_mm2 = (evidence[header.sop_instance_uid].area_mm2[key] for header in run)
    return sum(area * mm for area, mm in zip(areas_mm2, _stands_for_mm(run), strict=True)) / 1000.0


def _stands_for_mm(run: Sequence[SliceHeader]) -> list[float]:
    """Of the patient, each slice: half the way to both neighbours in the run.

    Beyond the ends it is as far as the header promises, but no less than to the neighbour inside: thin
    slices far apart, or without a thickness, stand for what lies between them.
    """
    steps = [upper.offset_mm - lower.offset_mm for lower, upper in pairwise(run)]
    first, last = (promised_step_mm(header, header) for header in (run[0], run[-1]))
    if not steps:
        return [first or _UNSAID_MM]
    around = [max(first or 0.0, steps[0]), *steps, max(last or 0.0, steps[-1])]
    return [(below + above) / 2 for below, above in pairwise(around)]


def _finding(
    rule: FindingRule,
    level: Level,
    run: Sequence[SliceHeader],
    slices: Sequence[SliceHeader],
    evidence: Mapping[SopInstanceUID, SliceEvidence],
) -> Finding:
    largest = max(run, key=lambda h: evidence[h.sop_instance_uid].area_mm2[rule.key])
    return Finding(
        rule=rule,
        level=level,
        probability=max(evidence[h.sop_instance_uid].probability[rule.key] for h in run),
        volume_ml=_volume_ml(rule.key, run, evidence),
        slices=tuple(h.sop_instance_uid for h in run),
        key_slice=largest.sop_instance_uid,
        area_mm2=evidence[largest.sop_instance_uid].area_mm2[rule.key],
        side=_side(rule.key, [evidence[h.sop_instance_uid] for h in run]),
        places=_places(run, largest, slices),
    )


def _places(run: Sequence[SliceHeader], largest: SliceHeader, slices: Sequence[SliceHeader]) -> Places:
    """A run has no slice of the series between its own, so its first place tells the others."""
    first = next(place for place, header in enumerate(slices, 1) if header is run[0])
    within = next(place for place, header in enumerate(run) if header is largest)
    return Places(first, first + len(run) - 1, first + within, len(slices))


def _side(key: str, run: Sequence[SliceEvidence]) -> Side:
    seen = [(e.area_mm2[key], e.left_share[key]) for e in run if key in e.left_share]
    area = sum(a for a, _ in seen)
    if area <= 0:
        return Side.UNKNOWN
    left = sum(a * share for a, share in seen) / area
    if left >= ONE_SIDED:
        return Side.LEFT
    return Side.RIGHT if left <= 1 - ONE_SIDED else Side.BOTH
