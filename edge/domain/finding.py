"""What a model looks for, how sure it must be, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge.domain.identity import SopInstanceUID


class Urgency(StrEnum):
    """How soon a human must know; the words of the model's clinical.toml."""

    CRITICAL = "critical"
    URGENT = "urgent"
    ROUTINE = "routine"


class Level(StrEnum):
    """The operating point a finding passed: PAGE rings a pager, WORKLIST only moves the case up."""

    PAGE = "page"
    WORKLIST = "worklist"


class Side(StrEnum):
    """The patient's side; BOTH is on both or across the midline, UNKNOWN where no midline was seen."""

    LEFT = "left"
    RIGHT = "right"
    BOTH = "both"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FindingCode:
    """A SNOMED CT concept, or another scheme's, as in DICOM's code sequences (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Passed by `min_contiguous_slices` neighbours at `probability` holding `min_volume_ml` together.

    They also stand for `min_extent_mm` of the patient: two slices of 1 mm say less than two of 5 mm, and a
    series has more of them.
    """

    probability: float
    min_contiguous_slices: int
    min_volume_ml: float
    min_extent_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class FindingRule:
    """One output channel of a model: its code, urgency and two operating points."""

    key: str
    code: FindingCode
    urgency: Urgency
    page: OperatingPoint
    worklist: OperatingPoint


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run lies among the `total` slices that its series had when it was said, 1 nearest to the feet.

    `largest` is the place of the key slice. A slice that comes later may move them all.
    """

    first: int
    last: int
    largest: int
    total: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that was passed: the largest run of neighbouring slices that passed it, feet to head.

    `slices` and all that is measured of them reach on to both sides, see `evidence.find`.
    `key_slice` is the one with the largest area, `area_mm2` that area. Without slices there are no `places`.
    """

    rule: FindingRule
    level: Level
    probability: float
    volume_ml: float
    slices: tuple[SopInstanceUID, ...]
    key_slice: SopInstanceUID
    area_mm2: float = 0.0
    side: Side = Side.UNKNOWN
    places: Places | None = None
