"""What scanner and archive say they have made of a series, before, while or after it arrives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edge.domain.identity import SeriesInstanceUID, SopInstanceUID


class Standing(StrEnum):
    """How far a performed procedure step is (PS3.4 F.1.3); AVAILABLE is an archive's word (PS3.4 R)."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"
    AVAILABLE = "available"


class Tally(StrEnum):
    """What arrived, held against what was announced.

    OPEN: all that was named is here, and more may come. MET: a step that is over names exactly what is
    here. SHORT: something that was named is not here. EXCEEDED: a step that is over names fewer.
    """

    OPEN = "open"
    MET = "met"
    SHORT = "short"
    EXCEEDED = "exceeded"


@dataclass(frozen=True, slots=True)
class Announcement:
    """All that one step or notification says by now; `uid` is its SOP Instance UID, not an image's.

    `series` names the instances of each series, images or not; a series may be named without any.
    """

    uid: str
    standing: Standing
    series: Mapping[SeriesInstanceUID, frozenset[SopInstanceUID]]

    @property
    def over(self) -> bool:
        """The step names everything it made and may not be changed any more."""
        return self.standing in (Standing.COMPLETED, Standing.DISCONTINUED)


@dataclass(frozen=True, slots=True)
class Announced:
    """All that was announced of one series: what procedure steps made, with `final` all they will make.

    `available` is what an archive has: it says that something exists, and never that this is all
    (PS3.4 R.1.1), so it neither ends a list nor adds to one.
    """

    instances: frozenset[SopInstanceUID] = frozenset()
    final: bool = False
    discontinued: bool = False
    available: frozenset[SopInstanceUID] = frozenset()

    @property
    def named(self) -> frozenset[SopInstanceUID]:
        """By whomever; all of them exist."""
        return self.instances | self.available

    def tally(self, arrived: Collection[SopInstanceUID]) -> Tally:
        named = self.named
        if len(arrived) < len(named) or not all(uid in arrived for uid in named):
            return Tally.SHORT
        # Some scanners end a step without naming its images: that says nothing of how many there are.
        if not self.final or not self.instances:
            return Tally.OPEN
        return Tally.MET if len(arrived) == len(self.instances) else Tally.EXCEEDED


NOTHING_ANNOUNCED = Announced()


def announced_of(series: SeriesInstanceUID, said: Iterable[Announcement]) -> Announced:
    """What several steps and notifications say of one series together: the doubt wins."""
    naming = [a for a in said if series in a.series]
    steps = [a for a in naming if a.standing is not Standing.AVAILABLE]
    none = frozenset[SopInstanceUID]()
    return Announced(
        instances=none.union(*(a.series[series] for a in steps)),
        final=bool(steps) and all(a.over for a in steps),
        discontinued=any(a.standing is Standing.DISCONTINUED for a in steps),
        available=none.union(*(a.series[series] for a in naming if a.standing is Standing.AVAILABLE)),
    )
