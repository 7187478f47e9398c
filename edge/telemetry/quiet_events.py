"""What happens when nobody is to be rung; see events.py for the rules and the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuietChanged:
    """Maintenance, test or a mute began, was ended or expired; `lasts_s` as asked for, or as it was."""

    kind: str
    change: str
    lasts_s: float


@dataclass(frozen=True, slots=True)
class QuietMeasured:
    """By kind of quiet the seconds that are left and that it has lasted, 0 when not in force.

    `held` are findings held back that no human has taken.
    """

    kinds: tuple[tuple[str, float, float], ...]
    held: int


@dataclass(frozen=True, slots=True)
class FindingReleased:
    """A finding rings that was held back for `waited_s` by `reason`."""

    alert: str
    finding: str
    reason: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """So many alerts of a finding rang within the hour as may; `demoted` of it wait on the worklist."""

    finding: str
    budget: int
    demoted: int


@dataclass(frozen=True, slots=True)
class BudgetMeasured:
    """By finding the alerts that rang within the last hour, and its budget; 0 for none."""

    rang: tuple[tuple[str, int, int], ...]


QuietHappening = QuietChanged | QuietMeasured | FindingReleased | BudgetSpent | BudgetMeasured
