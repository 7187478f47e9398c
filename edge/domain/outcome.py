"""The one named end of every series revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.domain.announcement import Tally
from edge.domain.completeness import CompletionReason
from edge.domain.finding import Finding
from edge.domain.identity import SeriesInstanceUID
from edge.domain.reconstruction import Choice, Reconstruction


class OutcomeKind(StrEnum):
    """NO_FINDING is the only negative, and only a complete, eligible, fully analysed series gets it."""

    FINDING = "finding"
    NO_FINDING = "no_finding"
    INCOMPLETE = "incomplete"
    NOT_ELIGIBLE = "not_eligible"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SeriesReference:
    """Which series, without saying whose: tokens are keyed digests, `scanner` is a site's alias.

    `test` marks a canary or a drill: whatever is said of it is flagged and never counted. `ae_title` is
    the calling one behind the alias.
    """

    series_instance_uid: SeriesInstanceUID
    series_token: str
    study_token: str
    accession_token: str
    scanner: str
    revision: int
    predecessor: str | None
    test: bool = False
    ae_title: str = ""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights spoke; `digest` is the SHA-256 of the ONNX file."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Terminal; `outcome_id` derives from the ordered input SOP Instance UIDs, model and revision.

    `reason` says why in one label: a completion reason, a scope reason or an error's reason;
    `detail` adds the numbers for a person (never patient data). `reconstruction` is what others of the same
    acquisition are held against, `choice` which of them speaks for it, None while there are no others.
    """

    outcome_id: str
    kind: OutcomeKind
    reason: str
    detail: str
    series: SeriesReference
    model: ModelIdentity
    findings: tuple[Finding, ...]
    instances: int
    degraded: bool
    first_slice_received_at: datetime
    last_slice_received_at: datetime
    settled_at: datetime
    reconstruction: Reconstruction | None = None
    choice: Choice | None = None


# Reasons of INCOMPLETE that are no more once everything a completed step names is there.
_HEALED_BY_NAMES = frozenset(
    {
        CompletionReason.DEADLINE_ANNOUNCED,
        CompletionReason.DEADLINE_UNANNOUNCED,
        CompletionReason.DEADLINE_ABORTED,
        CompletionReason.DEADLINE_HINTED,
        CompletionReason.DEADLINE_OPEN,
    }
)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The last terminal outcome of a series: what a late slice, or a late word, makes a revision of."""

    outcome_id: str
    revision: int
    through_sequence: int
    kind: OutcomeKind
    reason: str

    @property
    def incomplete(self) -> bool:
        return self.kind is OutcomeKind.INCOMPLETE

    @property
    def complete(self) -> bool:
        """It was said that nothing was missing; what comes after may make that untrue."""
        return self.kind in (OutcomeKind.FINDING, OutcomeKind.NO_FINDING)

    def reopened_by(self, tally: Tally, *, discontinued: bool) -> bool:
        """Whether what is announced by now makes it untrue that the series was complete, or was not."""
        if self.complete:
            return discontinued or tally in (Tally.SHORT, Tally.EXCEEDED)
        healed = tally is Tally.MET and not discontinued
        return self.incomplete and healed and self.reason in _HEALED_BY_NAMES
