"""What the appliance knows of its own life; see events.py for the rules and the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CanaryProven:
    """A test page went from the DICOM port to a test pager in `took_s`, judged by Triton."""

    took_s: float


@dataclass(frozen=True, slots=True)
class CanaryFailed:
    """`part` is to blame, `stage` the last that was reached; real pages would stop there too."""

    part: str
    stage: str
    reason: str
    took_s: float


@dataclass(frozen=True, slots=True)
class AlarmTold:
    """Staff were told on `channel` that pages reach nobody because of `part`; empty: that they do again."""

    part: str
    channel: str
    result: str


@dataclass(frozen=True, slots=True)
class AlarmFailed:
    """One attempt to tell that; `reason` is exit_1, timed_out, smtp_535 and the like. It is tried again."""

    part: str
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class CanaryObserved:
    """The agent has read a new verdict of the canary; `part` is empty when the page was proven."""

    part: str
    took_s: float


@dataclass(frozen=True, slots=True)
class ProvenPageMeasured:
    """Since a page was last known to have reached a pager; since the start of the agent if none ever was.

    `word` is proven, the part to blame, overdue, or empty.
    """

    age_s: float
    period_s: float
    word: str = ""


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set by `step_s`; times before and after it do not compare."""

    step_s: float


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """`drift_s` is what NTP has slewed since the start; `synchronised` None where nobody can tell.

    `sure` is whether images may be removed by their age.
    """

    drift_s: float
    synchronised: bool | None
    sure: bool


ProofHappening = (
    CanaryProven
    | CanaryFailed
    | AlarmTold
    | AlarmFailed
    | CanaryObserved
    | ProvenPageMeasured
    | ClockStepped
    | ClockMeasured
)
