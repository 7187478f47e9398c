"""How much ringing a site allows, and what it counts as another examination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

BUDGET_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PagingRules:
    """`budget` is the most alerts of one finding that ring within BUDGET_WINDOW, 0 for no limit.

    `budgets` says otherwise for single findings, by the model's key. An update of an alert that rang
    never counts, nor does a test. See study_alert.rule for `examination`.
    """

    budget: int = 0
    budgets: Mapping[str, int] = field(default_factory=dict[str, int])
    examination: timedelta = timedelta(hours=1)

    def budget_of(self, finding: str) -> int:
        return self.budgets.get(finding, self.budget)

    def spent(self, finding: str, rang: int) -> bool:
        """Whether so many alerts that rang within the window are all that may."""
        budget = self.budget_of(finding)
        return 0 < budget <= rang
