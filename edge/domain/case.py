"""One series revision as it stands: what arrived, on which associations, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.domain.completeness import Decision, Facts, Phase, SeriesEvent, decide
from edge.domain.contiguity import Geometry, geometry_of
from edge.domain.eligibility import Scope, slice_out_of_scope, uncovered
from edge.domain.identity import AssociationId, SopInstanceUID
from edge.domain.series import SeriesInProgress, SliceHeader, UnusableInstance

_OPEN = Decision(Phase.COLLECTING)
_CLOSING = frozenset(
    {
        SeriesEvent.ASSOCIATION_RELEASED,
        SeriesEvent.COUNT_ANNOUNCED,
        SeriesEvent.IDLE_ELAPSED,
        SeriesEvent.DEADLINE_ELAPSED,
    }
)


@dataclass(frozen=True, slots=True)
class Carried:
    """What one association brought of this series; `since` is its first journal sequence."""

    since: int
    instances: frozenset[SopInstanceUID] = frozenset()
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """Why nothing negative may be said: a label for metrics and the numbers for a person."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class SeriesCase:
    """Frozen; every method returns the next case. `at` values are the receiver's clock, in seconds."""

    progress: SeriesInProgress
    scope: Scope
    decision: Decision = _OPEN
    received_at: Mapping[SopInstanceUID, float] = field(default_factory=dict[SopInstanceUID, float])
    out_of_scope: Mapping[SopInstanceUID, str] = field(default_factory=dict[SopInstanceUID, str])
    unreadable: Mapping[SopInstanceUID, str] = field(default_factory=dict[SopInstanceUID, str])
    associations: Mapping[AssociationId, Carried] = field(default_factory=dict[AssociationId, Carried])
    aborted_at_sequence: int | None = None
    announced: int | None = None
    longest_pause_s: float = 0.0
    through_sequence: int = 0

    @property
    def closed(self) -> bool:
        return self.decision.phase in (Phase.COMPLETE, Phase.INCOMPLETE)

    @property
    def geometry(self) -> Geometry:
        return geometry_of(self.progress.slices)

    def slice_arrived(
        self, header: SliceHeader, association: AssociationId, sequence: int, at: float
    ) -> SeriesCase:
        """A slice takes its place along the normal, or is set aside as out of scope."""
        reason = slice_out_of_scope(header, self.scope)
        if reason is None:
            case = replace(self, progress=self.progress.add(header))
        else:
            case = replace(self, out_of_scope={**self.out_of_scope, header.sop_instance_uid: reason})
        return case._noted(header.sop_instance_uid, association, sequence, at)._decided(
            SeriesEvent.INSTANCE_ARRIVED
        )

    def unusable_arrived(
        self, instance: UnusableInstance, association: AssociationId, sequence: int, at: float
    ) -> SeriesCase:
        """An instance without a slice in it: damage bars a negative, another kind of object does not."""
        uid = instance.sop_instance_uid
        if instance.unreadable:
            case = replace(self, unreadable={**self.unreadable, uid: instance.reason})
        else:
            case = replace(self, out_of_scope={**self.out_of_scope, uid: instance.reason})
        return case._noted(uid, association, sequence, at)._decided(SeriesEvent.INSTANCE_ARRIVED)

    def duplicate_arrived(self, uid: SopInstanceUID, association: AssociationId, sequence: int) -> SeriesCase:
        """The same instance again: no new work, but it counts for what the association carried."""
        return self._carry(uid, association, sequence)._decided(SeriesEvent.DUPLICATE)

    def association_released(self, association: AssociationId, sequence: int) -> SeriesCase:
        """A release after an abort heals it when the association began later: that was the retry."""
        if association not in self.associations:
            return self
        carried = self.associations[association]
        healed = self.aborted_at_sequence is not None and carried.since > self.aborted_at_sequence
        case = replace(self, aborted_at_sequence=None) if healed else self
        ended = case._end(association, sequence)
        return ended._decided(SeriesEvent.ASSOCIATION_RELEASED, carried=len(carried.instances))

    def association_aborted(self, association: AssociationId, sequence: int) -> SeriesCase:
        """What the association still had to bring is unknown from now on."""
        if association not in self.associations:
            return self
        case = replace(self._end(association, sequence), aborted_at_sequence=sequence)
        return case._decided(SeriesEvent.ASSOCIATION_ABORTED)

    def associations_over(self, over: frozenset[AssociationId]) -> SeriesCase:
        """Associations that ended before this revision began: nothing more is expected of them."""
        ended = {a: replace(c, ended=c.ended or a in over) for a, c in self.associations.items()}
        return replace(self, associations=ended)

    def quiet(self) -> SeriesCase:
        return self._decided(SeriesEvent.IDLE_ELAPSED)

    def overdue(self) -> SeriesCase:
        return self._decided(SeriesEvent.DEADLINE_ELAPSED)

    def missing(self) -> Missing | None:
        """What bars a negative by geometry, coverage or damage; None for a series without any slice."""
        if self.unreadable:
            reasons = ", ".join(sorted(set(self.unreadable.values())))
            return Missing("unreadable_instance", f"{len(self.unreadable)} instances: {reasons}")
        if not self.progress.slices:
            return None
        geometry = self.geometry
        if geometry.gaps:
            return Missing("gap", "; ".join(str(g) for g in geometry.gaps))
        if (reason := uncovered(geometry, self.scope)) is not None:
            numbers = f"{geometry.coverage_mm:.0f} mm, top slice {geometry.top_area_ratio:.0%} of the largest"
            return Missing(reason, f"{geometry.slices} slices, {numbers}")
        return None

    def _noted(self, uid: SopInstanceUID, association: AssociationId, sequence: int, at: float) -> SeriesCase:
        last = max(self.received_at.values(), default=at)
        return replace(
            self,
            received_at={**self.received_at, uid: at},
            longest_pause_s=max(self.longest_pause_s, at - last),
        )._carry(uid, association, sequence)

    def _carry(self, uid: SopInstanceUID, association: AssociationId, sequence: int) -> SeriesCase:
        before = self.associations.get(association, Carried(since=sequence))
        after = replace(before, instances=before.instances | {uid})
        return replace(
            self,
            associations={**self.associations, association: after},
            through_sequence=max(self.through_sequence, sequence),
        )

    def _end(self, association: AssociationId, sequence: int) -> SeriesCase:
        ended = replace(self.associations[association], ended=True)
        return replace(
            self,
            associations={**self.associations, association: ended},
            through_sequence=max(self.through_sequence, sequence),
        )

    def _decided(self, event: SeriesEvent, carried: int = 0) -> SeriesCase:
        # Geometry is only looked at when the table may close the series: it costs a pass over all slices.
        may_close = event in _CLOSING or self.announced is not None
        facts = Facts(
            instances=len(self.received_at),
            gapless=may_close and self.missing() is None,
            on_this_association=carried,
            open_associations=sum(not c.ended for c in self.associations.values()),
            aborted=self.aborted_at_sequence is not None,
            announced=self.announced,
        )
        return replace(self, decision=decide(self.decision.phase, event, facts))
