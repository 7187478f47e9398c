"""When a series is over: a pure transition table over facts; timers come in as events.

A completed procedure step that names exactly what arrived closes a series without gaps, negative or not, as
soon as nobody is sending: the scanner itself has said that this is all. Without it a clean release after
the whole series came on one association lets a finding close it; the negative waits for quiet, because some
senders release and go on. An abort, a gap, a series in many associations or a word that contradicts what
arrived waits: for the retry, for quiet, at last for the deadline, which never closes anything as complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from edge.domain.announcement import Tally


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
    CONFLICT = "conflict"
    ASSOCIATION_RELEASED = "association_released"
    ASSOCIATION_ABORTED = "association_aborted"
    ANNOUNCED = "announced"
    FINDING_SETTLED = "finding_settled"
    IDLE_ELAPSED = "idle_elapsed"
    DEADLINE_ELAPSED = "deadline_elapsed"
    LATE_ARRIVAL = "late_arrival"


class CompletionReason(StrEnum):
    """Why a series was closed; a metric label. Those of a deadline name the doubt that was left."""

    RELEASED = "released"
    ANNOUNCED = "announced"
    QUIET = "quiet"
    DISCONTINUED = "discontinued"
    DEADLINE_ANNOUNCED = "deadline_announced"
    DEADLINE_UNANNOUNCED = "deadline_unannounced"
    DEADLINE_MISSING = "deadline_missing"
    DEADLINE_ABORTED = "deadline_aborted"
    DEADLINE_HINTED = "deadline_hinted"
    DEADLINE_OPEN = "deadline_open"
    LATE_ARRIVAL = "late_arrival"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when an event comes.

    `gapless` says that nothing is missing by geometry, coverage and readability and nothing conflicts;
    `on_one_association` that one released association carried every instance, duplicates included;
    `tally` holds what arrived against what was announced, `discontinued` that the scanner broke the step
    off; `hinted` that Images in Acquisition promises more, which bars a close and never brings one about.
    """

    gapless: bool
    on_one_association: bool = False
    open_associations: int = 0
    aborted: bool = False
    tally: Tally = Tally.OPEN
    discontinued: bool = False
    hinted: bool = False

    @property
    def over(self) -> bool:
        """Nobody is known to be sending, and no sender was cut off."""
        return not self.open_associations and not self.aborted

    @property
    def whole(self) -> bool:
        """Nothing known is missing; where the scanner named it all, it matters no more how it came."""
        unnamed = self.tally is Tally.OPEN and self.over and not self.hinted
        return self.gapless and not self.discontinued and (unnamed or self.tally is Tally.MET)

    @property
    def reason(self) -> CompletionReason:
        """Why a whole series is whole."""
        if self.tally is Tally.MET:
            return CompletionReason.ANNOUNCED
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


def _on_abort(facts: Facts) -> Decision:
    # While somebody is still sending, one more instance may contradict the step that named the others.
    if facts.tally is Tally.MET and not facts.open_associations:
        if facts.discontinued:
            return Decision(Phase.INCOMPLETE, CompletionReason.DISCONTINUED)
        if facts.whole:
            return Decision(Phase.COMPLETE, facts.reason)
    return Decision(Phase.COLLECTING)


def _on_release(facts: Facts) -> Decision:
    closed = _on_abort(facts)
    if closed.phase is Phase.COLLECTING and facts.whole:
        return Decision(Phase.SETTLING)
    return closed


def _on_finding(facts: Facts) -> Decision:
    if facts.whole and facts.on_one_association:
        return Decision(Phase.COMPLETE, facts.reason)
    return Decision(Phase.SETTLING)


def _on_quiet(facts: Facts) -> Decision:
    if facts.whole:
        return Decision(Phase.COMPLETE, facts.reason)
    nothing_left = facts.tally is Tally.MET or (facts.over and facts.tally is not Tally.SHORT)
    if facts.discontinued and nothing_left:
        return Decision(Phase.INCOMPLETE, CompletionReason.DISCONTINUED)
    return Decision(Phase.COLLECTING)


def _on_deadline(facts: Facts) -> Decision:
    doubts = (
        (facts.tally is Tally.SHORT, CompletionReason.DEADLINE_ANNOUNCED),
        (facts.discontinued, CompletionReason.DISCONTINUED),
        (facts.tally is Tally.EXCEEDED, CompletionReason.DEADLINE_UNANNOUNCED),
        (not facts.gapless, CompletionReason.DEADLINE_MISSING),
        (facts.aborted, CompletionReason.DEADLINE_ABORTED),
        (facts.hinted, CompletionReason.DEADLINE_HINTED),
    )
    first = next((reason for holds, reason in doubts if holds), CompletionReason.DEADLINE_OPEN)
    return Decision(Phase.INCOMPLETE, first)


def _on_late(facts: Facts) -> Decision:
    return Decision(Phase.COLLECTING, CompletionReason.LATE_ARRIVAL)


TRANSITIONS: dict[tuple[Phase, SeriesEvent], Callable[[Facts], Decision]] = {
    (Phase.COLLECTING, SeriesEvent.INSTANCE_ARRIVED): _stay_open,
    (Phase.COLLECTING, SeriesEvent.DUPLICATE): _stay_open,
    (Phase.COLLECTING, SeriesEvent.CONFLICT): _stay_open,
    (Phase.COLLECTING, SeriesEvent.ASSOCIATION_RELEASED): _on_release,
    (Phase.COLLECTING, SeriesEvent.ASSOCIATION_ABORTED): _on_abort,
    (Phase.COLLECTING, SeriesEvent.ANNOUNCED): _on_release,
    (Phase.COLLECTING, SeriesEvent.IDLE_ELAPSED): _on_quiet,
    (Phase.COLLECTING, SeriesEvent.DEADLINE_ELAPSED): _on_deadline,
    (Phase.SETTLING, SeriesEvent.INSTANCE_ARRIVED): _stay_open,
    (Phase.SETTLING, SeriesEvent.DUPLICATE): _stay_open,
    (Phase.SETTLING, SeriesEvent.CONFLICT): _stay_open,
    (Phase.SETTLING, SeriesEvent.ASSOCIATION_RELEASED): _on_release,
    (Phase.SETTLING, SeriesEvent.ASSOCIATION_ABORTED): _on_abort,
    (Phase.SETTLING, SeriesEvent.ANNOUNCED): _on_release,
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
