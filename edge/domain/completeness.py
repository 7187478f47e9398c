"""When a series is over: a pure transition table over facts; timers come in as events.

A clean release after the whole series came on one association, with nothing missing, lets a finding
close it at once; only the negative waits for quiet, because some senders release and go on. An abort,
a gap or a series in many associations waits: for the retry, for quiet, at last for the deadline,
which never closes anything as complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """COLLECTING: more is expected. SETTLING: it looks whole, the last slabs are judged. Others are final."""

    COLLECTING = "collecting"
    SETTLING = "settling"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class SeriesEvent(StrEnum):
    """What can happen to a series; a later arrival after the end opens a new revision."""

    INSTANCE_ARRIVED = "instance_arrived"
    DUPLICATE = "duplicate"
    ASSOCIATION_RELEASED = "association_released"
    ASSOCIATION_ABORTED = "association_aborted"
    COUNT_ANNOUNCED = "count_announced"
    FINDING_SETTLED = "finding_settled"
    IDLE_ELAPSED = "idle_elapsed"
    DEADLINE_ELAPSED = "deadline_elapsed"
    LATE_ARRIVAL = "late_arrival"


class CompletionReason(StrEnum):
    """Why a series was closed; a metric label."""

    RELEASED = "released"
    COUNTED = "counted"
    QUIET = "quiet"
    DEADLINE_MISSING = "deadline_missing"
    DEADLINE_ABORTED = "deadline_aborted"
    DEADLINE_COUNT = "deadline_count"
    DEADLINE_OPEN = "deadline_open"
    LATE_ARRIVAL = "late_arrival"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when an event comes.

    `gapless` says that nothing is missing by geometry, coverage and readability; `on_one_association`
    that one released association carried every instance, duplicates included; `announced` is the
    number an MPPS or IAN promised.
    """

    instances: int
    gapless: bool
    on_one_association: bool = False
    open_associations: int = 0
    aborted: bool = False
    announced: int | None = None

    @property
    def whole(self) -> bool:
        """Nothing known is missing, and nobody is known to be sending."""
        counted = self.announced is None or self.instances >= self.announced
        return self.gapless and counted and not self.open_associations and not self.aborted

    @property
    def reason(self) -> CompletionReason:
        """Why a whole series is whole."""
        return CompletionReason.RELEASED if self.on_one_association else CompletionReason.QUIET


@dataclass(frozen=True, slots=True)
class Decision:
    """The phase after the event, and the reason once that phase is final."""

    phase: Phase
    reason: CompletionReason | None = None


class TransitionNotAllowed(ValueError):
    """The table has no row for this phase and event; nothing was changed."""


def _stay_open(facts: Facts) -> Decision:
    return Decision(Phase.COLLECTING)


def _on_release(facts: Facts) -> Decision:
    return Decision(Phase.SETTLING if facts.whole else Phase.COLLECTING)


def _on_count(facts: Facts) -> Decision:
    if facts.announced is not None and facts.gapless and facts.instances >= facts.announced:
        return Decision(Phase.COMPLETE, CompletionReason.COUNTED)
    return Decision(Phase.COLLECTING)


def _on_instance(facts: Facts) -> Decision:
    return _on_count(facts)


def _on_finding(facts: Facts) -> Decision:
    if facts.whole and facts.on_one_association:
        return Decision(Phase.COMPLETE, CompletionReason.RELEASED)
    return Decision(Phase.SETTLING)


def _on_quiet(facts: Facts) -> Decision:
    return Decision(Phase.COMPLETE, facts.reason) if facts.whole else Decision(Phase.COLLECTING)


def _on_deadline(facts: Facts) -> Decision:
    if facts.announced is not None and facts.instances < facts.announced:
        return Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_COUNT)
    if not facts.gapless:
        return Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_MISSING)
    if facts.aborted:
        return Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_ABORTED)
    return Decision(Phase.INCOMPLETE, CompletionReason.DEADLINE_OPEN)


def _on_late(facts: Facts) -> Decision:
    return Decision(Phase.COLLECTING, CompletionReason.LATE_ARRIVAL)


TRANSITIONS: dict[tuple[Phase, SeriesEvent], Callable[[Facts], Decision]] = {
    (Phase.COLLECTING, SeriesEvent.INSTANCE_ARRIVED): _on_instance,
    (Phase.COLLECTING, SeriesEvent.DUPLICATE): _stay_open,
    (Phase.COLLECTING, SeriesEvent.ASSOCIATION_RELEASED): _on_release,
    (Phase.COLLECTING, SeriesEvent.ASSOCIATION_ABORTED): _stay_open,
    (Phase.COLLECTING, SeriesEvent.COUNT_ANNOUNCED): _on_count,
    (Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED): _on_quiet,
    (Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED): _on_deadline,
    (Phase.SETTLING, SeriesEvent.INSTANCE_ARRIVED): _on_instance,
    (Phase.SETTLING, SeriesEvent.DUPLICATE): _stay_open,
    (Phase.SETTLING, SeriesEvent.ASSOCIATION_RELEASED): _on_release,
    (Phase.SETTLING, SeriesEvent.ASSOCIATION_ABORTED): _stay_open,
    (Phase.SETTLING, SeriesEvent.COUNT_ANNOUNCED): _on_count,
    (Phase.SETTLING, SeriesEvent.FINDING_SETTLED): _on_finding,
    (Phase.SETTLING, SeriesEvent.IDLE_ELAPSED): _on_quiet,
    (Phase.SETTLING, SeriesEvent.DEADLINE_ELAPSED): _on_deadline,
    (Phase.COMPLETE, SeriesEvent.LATE_ARRIVAL): _on_late,
    (Phase.INCOMPLETE, SeriesEvent.LATE_ARRIVAL): _on_late,
}


def decide(phase: Phase, event: SeriesEvent, facts: Facts) -> Decision:
    """The decision of the table; raises TransitionNotAllowed for a pair it does not name."""
    rule = TRANSITIONS.get((phase, event))
    if rule is None:
        raise TransitionNotAllowed(f"{event} cannot happen to a series that is {phase}")
    return rule(facts)
