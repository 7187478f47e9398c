"""One series revision as it stands: what arrived, on which associations, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.domain.acquisition import more_hinted
from edge.domain.announcement import NOTHING_ANNOUNCED, Announced
from edge.domain.carried import Carried, End
from edge.domain.completeness import CompletionReason, Decision, Facts, Phase, SeriesEvent, decide
from edge.domain.contiguity import Geometry, geometry_of
from edge.domain.eligibility import Scope, slice_out_of_scope, uncovered
from edge.domain.frame import frames_missing, instance_of
from edge.domain.identity import AssociationId, SopInstanceUID, StudyInstanceUID
from edge.domain.kernel import Sharpness
from edge.domain.series import SeriesInProgress, SliceHeader, UnusableInstance
from edge.domain.unusable import OTHER_KINDS

NO_STUDY = StudyInstanceUID("")
_OPEN = Decision(Phase.COLLECTING)
_CLOSING = frozenset(
    {
        SeriesEvent.ASSOCIATION_RELEASED,
        SeriesEvent.ASSOCIATION_ABORTED,
        SeriesEvent.ANNOUNCED,
        SeriesEvent.FINDING_SETTLED,
        SeriesEvent.IDLE_ELAPSED,
        SeriesEvent.DEADLINE_ELAPSED,
    }
)
_SAID_OTHERWISE = frozenset(
    {
        CompletionReason.DISCONTINUED,
        CompletionReason.DEADLINE_ANNOUNCED,
        CompletionReason.DEADLINE_UNANNOUNCED,
    }
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why nothing negative may be said: a label for metrics and the numbers for a person."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class SeriesCase:
    """Frozen; every method returns the next case. `at` values are the receiver's clock, in seconds.

    `conflicting` are instances that came again with other bytes, in this revision or before it; `study` is
    that of the first slice in scope, should they not agree.
    """

    progress: SeriesInProgress
    scope: Scope
    decision: Decision = _OPEN
    received_at: Mapping[SopInstanceUID, float] = field(default_factory=dict[SopInstanceUID, float])
    out_of_scope: Mapping[SopInstanceUID, str] = field(default_factory=dict[SopInstanceUID, str])
    unreadable: Mapping[SopInstanceUID, str] = field(default_factory=dict[SopInstanceUID, str])
    conflicting: frozenset[SopInstanceUID] = frozenset()
    associations: Mapping[AssociationId, Carried] = field(default_factory=dict[AssociationId, Carried])
    announced: Announced = NOTHING_ANNOUNCED
    heeds_images_in_acquisition: bool = True
    last_at: float | None = None
    longest_pause_s: float = 0.0
    through_sequence: int = 0
    study: StudyInstanceUID = NO_STUDY

    @property
    def closed(self) -> bool:
        return self.decision.phase in (Phase.COMPLETE, Phase.INCOMPLETE)

    @property
    def settling(self) -> bool:
        """It looks whole: the slabs at its ends may be judged too."""
        return self.decision.phase is not Phase.COLLECTING

    @property
    def geometry(self) -> Geometry:
        return geometry_of(self.progress.slices)

    def slice_arrived(
        self, header: SliceHeader, association: AssociationId, sequence: int, at: float
    ) -> SeriesCase:
        """A slice takes its place along the normal, or is set aside as out of scope."""
        reason = slice_out_of_scope(header, self.scope)
        if reason is None:
            study = self.study or header.study_instance_uid
            case = replace(self, progress=self.progress.add(header), study=study)
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

    def conflict_arrived(self, uid: SopInstanceUID, sequence: int) -> SeriesCase:
        """Other bytes under a known UID: the sender holds an image that we do not; it repeats nothing."""
        return replace(
            self,
            conflicting=self.conflicting | {uid},
            through_sequence=max(self.through_sequence, sequence),
        )._decided(SeriesEvent.CONFLICT)

    def association_released(self, association: AssociationId, sequence: int) -> SeriesCase:
        """The sender says that it has sent what it had; see Carried.repeats for one after an abort."""
        return self._end(association, sequence, End.RELEASED, SeriesEvent.ASSOCIATION_RELEASED)

    def association_aborted(self, association: AssociationId, sequence: int) -> SeriesCase:
        """What the association still had to bring is unknown from now on."""
        return self._end(association, sequence, End.ABORTED, SeriesEvent.ASSOCIATION_ABORTED)

    def associations_over(self, over: frozenset[AssociationId]) -> SeriesCase:
        """Associations that ended before this revision began: nothing more is expected of them."""
        ended = {
            a: replace(c, end=End.OVER) if a in over and c.end is None else c
            for a, c in self.associations.items()
        }
        return replace(self, associations=ended)

    def told(self, announced: Announced, sequence: int) -> SeriesCase:
        """All that scanner and archive have said of this series by now."""
        through = max(self.through_sequence, sequence)
        return replace(self, announced=announced, through_sequence=through)._decided(SeriesEvent.ANNOUNCED)

    def finding_settled(self) -> SeriesCase:
        """Every slab of a series that looks whole is judged, and there is something to page."""
        return self._decided(SeriesEvent.FINDING_SETTLED)

    def quiet(self) -> SeriesCase:
        return self._decided(SeriesEvent.IDLE_ELAPSED)

    def overdue(self) -> SeriesCase:
        return self._decided(SeriesEvent.DEADLINE_ELAPSED)

    def missing(self) -> Missing | None:
        """What bars a negative: damage and conflicts for good, gaps and coverage until the rest comes."""
        if self.unreadable:
            reasons = ", ".join(sorted(set(self.unreadable.values())))
            return Missing("unreadable_instance", f"{len(self.unreadable)} instances: {reasons}")
        if not self.progress.slices:
            return None
        if self.conflicting:
            return Missing("conflicting_instance", f"{len(self.conflicting)} instances came with other bytes")
        if frames := frames_missing(self.progress.slices, self.out_of_scope):
            return Missing("frames_missing", frames)
        geometry = self.geometry
        if geometry.gaps:
            return Missing("gap", "; ".join(str(g) for g in geometry.gaps))
        if (reason := uncovered(geometry, self.scope)) is not None:
            ends = f"top {geometry.top_area_ratio:.0%} and base {geometry.base_area_ratio:.0%} of the largest"
            numbers = f"{geometry.coverage_mm:.0f} mm, {ends}, {geometry.cranial_ml:.0f} mL in a skull"
            return Missing(reason, f"{geometry.slices} slices, {numbers}")
        return None

    def contradiction(self) -> Missing | None:
        """How what arrived differs from what was announced, once the series was closed for that."""
        reason, named = self.decision.reason, self.announced.named
        if reason is None or reason not in _SAID_OTHERWISE:
            return None
        absent = sum(uid not in self.received_at for uid in named)
        unnamed = sum(uid not in named for uid in self.received_at)
        return Missing(
            reason.value, f"{len(named)} announced, {absent} of them did not come, {unnamed} others did"
        )

    def set_aside(self) -> Missing | None:
        """Images of the series that the model may not see, or not be sure of: they bar a negative for good.

        A localizer or a report among them is no part of the volume and bars nothing.
        """
        slices = self.progress.slices
        barred = [r for r in self.out_of_scope.values() if r not in OTHER_KINDS]
        if slices and barred:
            reasons = ", ".join(sorted(set(barred)))
            all_of_them = len(slices) + len(self.out_of_scope)
            return Missing("partly_out_of_scope", f"{len(barred)} of {all_of_them}: {reasons}")
        kernels = {s.convolution_kernel for s in slices if self.scope.sharpness_of(s) is Sharpness.UNKNOWN}
        if kernels:
            return Missing("kernel_unknown", f"nothing says how sharp {', '.join(sorted(kernels))} is")
        return None

    def _noted(
        self, name: SopInstanceUID, association: AssociationId, sequence: int, at: float
    ) -> SeriesCase:
        uid = instance_of(name)
        last = at if self.last_at is None else self.last_at
        return replace(
            self,
            received_at={**self.received_at, uid: at},
            last_at=max(last, at),
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

    def _end(self, association: AssociationId, sequence: int, end: End, event: SeriesEvent) -> SeriesCase:
        if association not in self.associations:
            return self
        ended = replace(self.associations[association], end=end, until=sequence)
        return replace(
            self,
            associations={**self.associations, association: ended},
            through_sequence=max(self.through_sequence, sequence),
        )._decided(event)

    def _decided(self, event: SeriesEvent) -> SeriesCase:
        # Facts cost a pass over all slices: they are looked at when the table may close the series.
        if event not in _CLOSING:
            return replace(self, decision=decide(self.decision.phase, event, Facts(gapless=False)))
        carried = self.associations.values()
        aborted = [c for c in carried if c.end is End.ABORTED]
        others = max(0, len(self.received_at) - len(self.progress.slices))
        facts = Facts(
            gapless=self.missing() is None,
            on_one_association=any(
                c.end is End.RELEASED and len(c.instances) >= len(self.received_at) for c in carried
            ),
            open_associations=sum(c.end is None for c in carried),
            aborted=any(not any(c.repeats(a) for c in carried) for a in aborted),
            tally=self.announced.tally(self.received_at),
            discontinued=self.announced.discontinued,
            hinted=self.heeds_images_in_acquisition and more_hinted(self.progress.slices, others),
        )
        return replace(self, decision=decide(self.decision.phase, event, facts))
