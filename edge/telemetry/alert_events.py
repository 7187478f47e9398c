"""What happens to alerts; see events.py for the rules and the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """Something was said of an alert; `first` when no human was shown this finding of this study before."""

    alert: str
    status: str
    finding: str
    urgency: str
    route: str = "page"
    demoted: str = ""
    test: bool = False
    first: bool = True


@dataclass(frozen=True, slots=True)
class AlertPublished:
    """PUBACK came for an alert; without subscribers it is told once, and again when somebody got it.

    The three ages are seconds to now, None where it does not apply. A test, or a copy for another
    role, does not count.
    """

    alert: str
    status: str
    subscribers: bool
    first_slice_age_s: float | None
    positive_slice_age_s: float | None
    last_slice_age_s: float | None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class AlertOfferedAgain:
    """The broker was given a page once more, under its old key, because no pager has answered it."""

    alert: str
    subscribers: bool


@dataclass(frozen=True, slots=True)
class AlertAnswered:
    """An answer to a page is in the ledger; `answer` is delivered, acknowledged or closed."""

    alert: str
    answer: str
    role: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """An answer that says nothing of any page of ours, by reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class AlertAcknowledged:
    """A human answered first, `waited_s` after the page was raised; `answer` is acknowledged or closed."""

    alert: str
    answer: str
    role: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class AlertEscalated:
    """The next rung: `role` is rung for the `times`th time because of `reason`."""

    alert: str
    role: str
    step: int
    times: int
    reason: str


@dataclass(frozen=True, slots=True)
class AlertUnanswered:
    """Everybody was rung in vain, or the page expired: a person must be told in another way."""

    alert: str
    finding: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertsFollowed:
    """How many alerts stand at each stage that is not closed, and in how many everybody was rung in vain.

    Tests are left out.
    """

    stages: tuple[tuple[str, int], ...]
    in_vain: int
