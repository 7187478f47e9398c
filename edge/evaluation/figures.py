"""From judged cases to the numbers of a report; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.domain.finding import FindingRule, Level
from edge.domain.outcome import OutcomeKind
from edge.evaluation.statistics import (
    Calibration,
    Proportion,
    Roc,
    VolumeError,
    calibration,
    proportion,
    quantile,
    roc,
    volume_error,
)
from edge.evaluation.truth import ANY, Truth
from edge.imaging.phantom import BleedType

TYPES = tuple(t.value for t in BleedType)
VOLUME_EDGES_ML = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0, 1000.0)
THICKNESS_EDGES_MM = (0.0, 2.0, 3.5, 4.5, 5.5, 20.0)
# Pager quality: below this specificity most pages of a ward would be false (see the design's PPV).
PAGE_SPECIFICITY = 0.985
LEVELS = (Level.PAGE, Level.WORKLIST)


@dataclass(frozen=True, slots=True)
class FindingSaid:
    """What was said under one finding key; `level` None when neither point was passed."""

    key: str
    level: Level | None
    score: float
    volume_ml: float
    mask_ml: float
    slices: int
    side: str


@dataclass(frozen=True, slots=True)
class SliceSaid:
    """One slice: probability by finding key, and which types of blood it shows, None if unknown."""

    probability: Mapping[str, float]
    blood: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class CaseSaid:
    """A judged case without its pixels."""

    name: str
    synthetic: bool
    group: str
    truth: Truth | None
    outcome: OutcomeKind
    reason: str
    thickness_mm: float | None
    findings: tuple[FindingSaid, ...]
    slices: tuple[SliceSaid, ...]

    @property
    def single_slice(self) -> bool:
        return len(self.slices) == 1

    @property
    def score(self) -> float:
        return max((f.score for f in self.findings), default=0.0)

    @property
    def volume_ml(self) -> float:
        """What the appliance reports: the volumes of all findings together."""
        return sum(f.volume_ml for f in self.findings if f.level is not None)

    def reaches(self, level: Level, keys: frozenset[str] | None = None) -> bool:
        """Whether a finding, of `keys` where given, passes this point; a page reaches the worklist too."""
        said = {f.level for f in self.findings if keys is None or f.key in keys}
        return Level.PAGE in said or (level is Level.WORKLIST and Level.WORKLIST in said)


def keys_of(kind: str, rules: Sequence[FindingRule]) -> frozenset[str]:
    """The finding keys that mean this type of blood: `subdural` and `subdural_hemorrhage` both do."""
    return frozenset(r.key for r in rules if r.key == kind or r.key.startswith(f"{kind}_"))


@dataclass(frozen=True, slots=True)
class Detection:
    """How often blood was found at each point; `own_type` counts only a finding of the right type."""

    anything: Mapping[Level, Proportion]
    own_type: Mapping[Level, Proportion] | None = None


@dataclass(frozen=True, slots=True)
class UnitFigures:
    """Detection over one kind of case: whole series, or single slices."""

    roc: Roc | None
    sensitivity: Mapping[str, Detection]
    by_volume: Mapping[str, Detection]
    specificity: Mapping[str, Detection]


def unit_figures(cases: Sequence[CaseSaid], rules: Sequence[FindingRule]) -> UnitFigures:
    """Of the cases with a truth; sensitivity also for all of at least 1 mL, as the floor asks."""
    known = [(c, c.truth) for c in cases if c.truth is not None]
    positive = [(c, t) for c, t in known if t.positive]
    negative = [c for c, t in known if not t.positive]
    large = [c for c, t in positive if t.total_ml is not None and t.total_ml >= 1.0]
    sensitivity = {"all": _detection([c for c, _ in positive])}
    if large:
        sensitivity["all, at least 1 mL"] = _detection(large)
    for kind in (*TYPES, ANY):
        if of_kind := [c for c, t in positive if kind in t.findings]:
            sensitivity[kind] = _detection(of_kind, keys_of(kind, rules))
    by_volume = {
        _range(low, high, "mL"): _detection(
            [c for c, t in positive if t.total_ml is not None and low <= t.total_ml < high]
        )
        for low, high in pairwise(VOLUME_EDGES_ML)
    }
    groups = sorted({c.group for c in negative if c.group})
    specificity = {"all": _detection(negative)}
    specificity |= {g: _detection([c for c in negative if c.group == g]) for g in groups}
    curve = roc([c.score for c, _ in known], [t.positive for _, t in known])
    return UnitFigures(
        curve,
        {k: d for k, d in sensitivity.items() if d.anything[Level.PAGE].of},
        {k: d for k, d in by_volume.items() if d.anything[Level.PAGE].of},
        {k: _quiet(d) for k, d in specificity.items() if d.anything[Level.PAGE].of},
    )


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """Slice by slice, the highest probability of all findings against any blood in the slice."""

    slices: int
    roc: Roc | None
    calibration: Calibration | None
    by_key: Mapping[str, Calibration]


def slice_figures(cases: Sequence[CaseSaid], rules: Sequence[FindingRule]) -> SliceFigures:
    """Of the slices whose blood is known."""
    known = [(s, s.blood) for c in cases for s in c.slices if s.blood is not None and s.probability]
    scores = [max(s.probability.values()) for s, _ in known]
    truth = [bool(blood) for _, blood in known]
    by_key: dict[str, Calibration] = {}
    for kind in TYPES:
        typed = [(s, blood) for s, blood in known if ANY not in blood]
        for key in keys_of(kind, rules):
            found = calibration([s.probability[key] for s, _ in typed], [kind in b for _, b in typed])
            if found is not None:
                by_key[key] = found
    return SliceFigures(len(known), roc(scores, truth), calibration(scores, truth), by_key)


@dataclass(frozen=True, slots=True)
class VolumeFigures:
    """`reported` is the volume of the findings; `mask` that of the masks on all slices."""

    reported: Mapping[str, VolumeError]
    mask: Mapping[str, VolumeError]
    pairs: tuple[tuple[float, float], ...]


def volume_figures(cases: Sequence[CaseSaid]) -> VolumeFigures:
    """Whole series with a true volume: all, above 5 mL, found ones, by volume and by thickness."""
    known = [
        (c, t.total_ml)
        for c in cases
        if (t := c.truth) is not None and not c.single_slice and t.total_ml is not None and t.total_ml > 0
    ]

    def errors(found: Callable[[CaseSaid], float]) -> dict[str, VolumeError]:
        large = [(c, ml) for c, ml in known if ml >= 5.0]
        rows = {"all": known, "at least 5 mL": large}
        rows["at least 5 mL and found"] = [(c, ml) for c, ml in large if c.reaches(Level.WORKLIST)]
        for low, high in pairwise(VOLUME_EDGES_ML):
            rows[_range(low, high, "mL")] = [(c, ml) for c, ml in known if low <= ml < high]
        for low, high in pairwise(THICKNESS_EDGES_MM):
            inside = [(c, ml) for c, ml in large if c.thickness_mm and low <= c.thickness_mm < high]
            rows[f"at least 5 mL, slices of {_range(low, high, 'mm')}"] = inside
        made = {name: volume_error([(ml, found(c)) for c, ml in row]) for name, row in rows.items()}
        return {name: error for name, error in made.items() if error is not None}

    return VolumeFigures(
        reported=errors(lambda c: c.volume_ml),
        mask=errors(lambda c: sum(f.mask_ml for f in c.findings)),
        pairs=tuple((ml, c.volume_ml) for c, ml in known),
    )


def side_figures(cases: Sequence[CaseSaid], rules: Sequence[FindingRule]) -> Mapping[Level, Proportion]:
    """How often the side of a finding of one-sided blood is the side the blood is on."""
    said: dict[Level, list[bool]] = {level: [] for level in LEVELS}
    for case, truth in ((c, c.truth) for c in cases if c.truth is not None):
        for kind, side in truth.sides.items():
            own = keys_of(kind, rules)
            alone = len(truth.findings) == 1
            for f in case.findings:
                if f.level is not None and (f.key in own or (alone and not own)):
                    said[f.level].append(f.side == side)
    return {level: proportion(right) for level, right in said.items()}


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Median, 95th percentile and largest; empty for nothing."""
    if not values:
        return {}
    return {"median": quantile(values, 0.5), "p95": quantile(values, 0.95), "max": max(values)}


def _detection(cases: Sequence[CaseSaid], own: frozenset[str] = frozenset()) -> Detection:
    anything = {level: proportion([c.reaches(level) for c in cases]) for level in LEVELS}
    typed = {level: proportion([c.reaches(level, own) for c in cases]) for level in LEVELS} if own else None
    return Detection(anything, typed)


def _quiet(detection: Detection) -> Detection:
    return Detection({k: Proportion(p.of - p.hits, p.of) for k, p in detection.anything.items()})


def _range(low: float, high: float, unit: str) -> str:
    if low == 0:
        return f"below {high:g} {unit}"
    return f"{low:g} {unit} and more" if high in (1000.0, 20.0) else f"{low:g} to {high:g} {unit}"
