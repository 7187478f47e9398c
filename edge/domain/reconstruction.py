"""Several reconstructions of one acquisition: which of them speaks for it.

Every eligible one is analysed, so no choice can lose a finding. What is chosen is the series whose negative
counts: a second one about the same rays would say nothing new, and one beside a finding would contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge.domain.eligibility import Scope
from edge.domain.identity import SeriesInstanceUID
from edge.domain.kernel import Sharpness
from edge.domain.series import SliceHeader

# So much of the shorter one has to lie within the other; thin and thick slices never end at the same place.
_OVERLAP = 0.5
_KERNELS = (Sharpness.SOFT, Sharpness.UNSAID, Sharpness.MEDIUM, Sharpness.UNKNOWN, Sharpness.SHARP)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What a series was made from, as far as its slices say; empty where they are mute.

    `events` are Irradiation Event UIDs, `numbers` Acquisition Numbers; `began` and `ended` are the first and
    last date-time of acquisition as DICOM text, which sorts by time; `extent_mm` is along the slice normal.
    """

    frame_of_reference: str
    events: frozenset[str]
    numbers: frozenset[int]
    began: str
    ended: str
    extent_mm: tuple[float, float]

    def same_as(self, other: Acquisition) -> bool:
        """Within one study: same space and place, something that names the rays, and nothing against it."""
        if not self.frame_of_reference or self.frame_of_reference != other.frame_of_reference:
            return False
        shared: list[bool] = []
        if self.events and other.events:
            shared.append(bool(self.events & other.events))
        elif self.numbers and other.numbers:
            shared.append(bool(self.numbers & other.numbers))
        if self.began and other.began:
            shared.append(self.began <= other.ended and other.began <= self.ended)
        return bool(shared) and all(shared) and self._overlaps(other)

    def _overlaps(self, other: Acquisition) -> bool:
        (low, high), (below, above) = self.extent_mm, other.extent_mm
        return min(high, above) - max(low, below) >= _OVERLAP * min(high - low, above - below)


class Standing(StrEnum):
    """How far a reconstruction is: FOUND and WHOLE are said of all of it, OUT says nothing of the patient."""

    UNDER_WAY = "under_way"
    FOUND = "found"
    WHOLE = "whole"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """One series of an acquisition; the lower `rank` the better it suits the model.

    A `test` never speaks for a series that is none, nor the other way round.
    """

    series_instance_uid: SeriesInstanceUID
    series_token: str
    acquisition: Acquisition
    rank: tuple[float, ...]
    standing: Standing = Standing.UNDER_WAY
    test: bool = False

    def same_as(self, other: Reconstruction) -> bool:
        return self.test == other.test and self.acquisition.same_as(other.acquisition)


class Reason(StrEnum):
    """Why one was chosen; a word in messages. ONLY: none of the others counts (yet)."""

    FINDING = "finding"
    FIRST_WHOLE = "first_whole"
    PREFERRED = "preferred"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which series speaks for an acquisition, why, and which other reconstructions there are by now."""

    series_token: str
    reason: Reason
    others: tuple[str, ...]


def acquisition_of(slices: Sequence[SliceHeader]) -> Acquisition | None:
    """Of slices in order, None without any."""
    if not slices:
        return None
    at = [s.acquired_at for s in slices if s.acquired_at]
    return Acquisition(
        frame_of_reference=slices[0].frame_of_reference_uid,
        events=frozenset(s.irradiation_event_uid for s in slices) - {""},
        numbers=frozenset(s.acquisition_number for s in slices if s.acquisition_number is not None),
        began=min(at, default=""),
        ended=max(at, default=""),
        extent_mm=(slices[0].offset_mm, slices[-1].offset_mm),
    )


def rank(first: SliceHeader, scope: Scope) -> tuple[float, ...]:
    """Kernel before thickness: both in scope, the softer one, then the one nearer to the preferred range."""
    thinnest, thickest = scope.preferred_thickness_mm
    thickness = first.slice_thickness_mm or thickest
    off = max(thinnest - thickness, thickness - thickest, 0.0)
    return (float(_KERNELS.index(scope.sharpness_of(first))), off)


def choose(mine: Reconstruction, others: Sequence[Reconstruction], *, speaks_up: bool) -> Choice | None:
    """The choice when `mine` is whole and about to be told; None when there is no other reconstruction.

    One that `speaks_up`, with a finding or about a page of its own, is never passed over. What was said of a
    whole series stands: a better one that comes later does not take it back.
    """
    same = sorted((o for o in others if mine.same_as(o)), key=_order)
    if not same:
        return None
    found = [o for o in same if o.standing is Standing.FOUND]
    whole = [o for o in same if o.standing is Standing.WHOLE]
    coming = [o for o in same if o.standing is Standing.UNDER_WAY]
    better = [o for o in coming if _order(o) < _order(mine)]
    if speaks_up:
        chosen, reason = mine, Reason.FINDING
    elif found or whole:
        chosen, reason = (*found, *whole)[0], Reason.FINDING if found else Reason.FIRST_WHOLE
    elif better:
        chosen, reason = better[0], Reason.PREFERRED
    else:
        chosen, reason = mine, Reason.PREFERRED if coming else Reason.ONLY
    others_of_it = tuple(r.series_token for r in (mine, *same) if r is not chosen)
    return Choice(chosen.series_token, reason, others_of_it)


def _order(one: Reconstruction) -> tuple[tuple[float, ...], str]:
    return (one.rank, one.series_instance_uid)
