"""Which pictures a report shows: what was found, what was missed, and the worst false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.domain.finding import Level
from edge.evaluation.figures import CaseSaid
from edge.evaluation.page import Exhibit
from edge.evaluation.pictures import Picture

# Bounds the file: a picture has some 15 kB.
MOST_OF_A_KIND, MOST_FOUND_PER_GROUP, MOST_REAL = 8, 2, 40


@dataclass(frozen=True)
class Shown:
    """A case with the picture of its key slice."""

    case: CaseSaid
    picture: Picture


def galleries(shown: Sequence[Shown]) -> list[tuple[str, list[Exhibit]]]:
    """By title; a real case has a place of its own, whatever became of it."""
    synthetic = [s for s in shown if s.case.synthetic]
    positive = [s for s in synthetic if s.case.truth is not None and s.case.truth.positive]
    negative = [s for s in synthetic if s.case.truth is not None and not s.case.truth.positive]
    paged = [s for s in positive if s.case.reaches(Level.PAGE)]
    missed = [s for s in positive if not s.case.reaches(Level.WORKLIST)]
    alarms = [s for s in negative if s.case.reaches(Level.WORKLIST)]
    found: list[Shown] = []
    for group in sorted({s.case.group for s in paged}):
        found += [s for s in paged if s.case.group == group][:MOST_FOUND_PER_GROUP]
    missed.sort(key=lambda s: -(s.case.truth.total_ml or 0.0) if s.case.truth is not None else 0.0)
    alarms.sort(key=lambda s: -s.case.score)
    real = [s for s in shown if not s.case.synthetic]
    return [
        ("Found", _exhibits(found)),
        ("Missed at both points, largest first", _exhibits(missed[:MOST_OF_A_KIND])),
        ("False alarms, highest score first", _exhibits(alarms[:MOST_OF_A_KIND])),
        ("Real images", _exhibits(real[:MOST_REAL])),
    ]


def _exhibits(chosen: Sequence[Shown]) -> list[Exhibit]:
    return [Exhibit(s.picture, caption(s.case)) for s in chosen]


def caption(case: CaseSaid) -> str:
    """Truth, then what was said; never a name of the case's files."""
    truth = case.truth
    if truth is None:
        known = "unlabelled"
    elif not truth.positive:
        known = f"no blood ({case.group})" if case.group else "no blood"
    else:
        known = ", ".join(
            f"{k} {truth.volume_ml[k]:.1f} mL" if k in truth.volume_ml else k for k in sorted(truth.findings)
        )
    passed = [f"{f.key} {f.level} {f.score:.2f} {f.volume_ml:.1f} mL" for f in case.findings if f.level]
    highest = max((max(s.probability.values(), default=0.0) for s in case.slices), default=0.0)
    said = "; ".join(passed) or f"nothing, highest probability {highest:.2f}"
    return f"{case.name}: {known}. Said: {said}"
