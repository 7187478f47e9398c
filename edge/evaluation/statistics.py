"""Proportions, ROC, calibration and errors with their uncertainty; pure, no arrays, no model."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median

# Two-sided 95 %.
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Proportion:
    """`hits` of `of`; nothing can be said, and None is, when `of` is 0."""

    hits: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.of:
            raise ValueError(f"{self.hits} of {self.of} is no proportion")

    @property
    def value(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson score interval, 95 % (Wilson, JASA 1927; Brown, Cai and DasGupta 2001)."""
        if not self.of:
            return None
        n, p = self.of, self.hits / self.of
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        # Exact at the ends, where rounding would leave 1e-17 or 1 - 1e-16.
        low = 0.0 if self.hits == 0 else middle - half
        high = 1.0 if self.hits == n else middle + half
        return (low, high)


def proportion(said: Sequence[bool]) -> Proportion:
    """How many of `said` are true."""
    return Proportion(sum(said), len(said))


@dataclass(frozen=True, slots=True)
class RocPoint:
    """What a threshold (score >= threshold is positive) would have done."""

    threshold: float
    false_positive_rate: float
    true_positive_rate: float


@dataclass(frozen=True, slots=True)
class Roc:
    """From nothing positive to everything; `auc_interval` is Hanley and McNeil's, 95 %."""

    points: tuple[RocPoint, ...]
    auc: float
    auc_interval: tuple[float, float]
    positives: int
    negatives: int

    def best_at(self, least_specificity: float) -> RocPoint:
        """The most sensitive point that keeps the specificity; of equals, the highest threshold."""
        kept = [p for p in self.points if 1.0 - p.false_positive_rate >= least_specificity - 1e-12]
        return max(kept, key=lambda p: (p.true_positive_rate, p.threshold))


def roc(scores: Sequence[float], truth: Sequence[bool]) -> Roc | None:
    """The curve of `scores` against `truth`; None unless there are both positives and negatives."""
    ordered = sorted(zip(scores, truth, strict=True), key=lambda pair: -pair[0])
    positives = sum(truth)
    negatives = len(ordered) - positives
    if not positives or not negatives:
        return None
    hits = alarms = 0
    area = 0.0
    points = [RocPoint(math.inf, 0.0, 0.0)]
    for score, equal in groupby(ordered, key=lambda pair: pair[0]):
        said = [positive for _, positive in equal]
        new_hits, new_alarms = sum(said), len(said) - sum(said)
        # Ties are half right: the trapezoid is the Mann-Whitney statistic.
        area += new_alarms * (hits + new_hits / 2)
        hits, alarms = hits + new_hits, alarms + new_alarms
        points.append(RocPoint(score, alarms / negatives, hits / positives))
    auc = area / (positives * negatives)
    return Roc(tuple(points), auc, _auc_interval(auc, positives, negatives), positives, negatives)


def _auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Hanley and McNeil, Radiology 1982; it has no width at 1.0, where only more cases would help."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
    half = Z * math.sqrt(max(variance, 0.0) / (positives * negatives))
    return (max(0.0, auc - half), min(1.0, auc + half))


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Predictions from `low` to below `high`: what was promised on average, and how often it was so."""

    low: float
    high: float
    promised: float
    observed: Proportion


@dataclass(frozen=True, slots=True)
class Calibration:
    """`brier` is the mean squared error; `expected_error` the mean gap of the bins, by their size."""

    bins: tuple[CalibrationBin, ...]
    brier: float
    expected_error: float


EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def calibration(
    probabilities: Sequence[float], truth: Sequence[bool], edges: Sequence[float] = EDGES
) -> Calibration | None:
    """Empty bins are left out; None without predictions. Raises ValueError for a non-probability."""
    if not probabilities:
        return None
    if not all(0.0 <= p <= 1.0 for p in probabilities):
        raise ValueError("a probability lies between 0 and 1")
    held: list[list[tuple[float, bool]]] = [[] for _ in edges[1:]]
    for p, positive in zip(probabilities, truth, strict=True):
        at = max(0, bisect_left(edges, p + 1e-12) - 1)
        held[min(at, len(held) - 1)].append((p, positive))
    bins = tuple(
        CalibrationBin(low, high, fmean(p for p, _ in inside), proportion([t for _, t in inside]))
        for low, high, inside in zip(edges, edges[1:], held, strict=False)
        if inside
    )
    gaps = sum(abs(b.promised * b.observed.of - b.observed.hits) for b in bins)
    squares = [(p - positive) ** 2 for p, positive in zip(probabilities, truth, strict=True)]
    return Calibration(bins, fmean(squares), gaps / len(probabilities))


@dataclass(frozen=True, slots=True)
class VolumeError:
    """Relative errors of `of` volumes: median of their size, median with sign, and the 90th percentile."""

    of: int
    median_absolute: float
    median_signed: float
    p90_absolute: float


def volume_error(pairs: Sequence[tuple[float, float]]) -> VolumeError | None:
    """`pairs` are (true mL, found mL) with a true volume above 0; a miss is an error of 100 %."""
    if not pairs:
        return None
    signed = [(found - true) / true for true, found in pairs]
    sizes = [abs(e) for e in signed]
    return VolumeError(len(pairs), median(sizes), median(signed), quantile(sizes, 0.9))


def quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between the ordered values, as NumPy's default."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
