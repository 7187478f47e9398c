"""The words on the wire: versioned messages that hold tokens and never a DICOM UID or patient data.

Everything a consumer needs is in these classes; schema/*.json and asyncapi.json are made from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from edge.domain.alert import Alert, AlertStatus, Route
from edge.domain.finding import Finding, Level, Side, Urgency
from edge.domain.outcome import ModelIdentity, Outcome, OutcomeKind
from edge.domain.quiet import QuietKind
from edge.mqtt.notice_message import NoticeMessage
from edge.mqtt.service_message import CanaryMessage, HeartbeatMessage, StatusMessage
from edge.mqtt.words import (
    SCHEMA_VERSION,
    Message,
    Millilitres,
    Probability,
    ReconstructionWords,
    RunWords,
    UtcTime,
    Words,
)

__all__ = ["SCHEMA_VERSION", "CanaryMessage", "HeartbeatMessage", "StatusMessage"]

NOTICE = "research use, not for clinical use"
Notice = Literal["research use, not for clinical use"]


class FindingWords(Words):
    """One finding as a radiologist would name it."""

    key: str = Field(description="The model's own short name of the finding.")
    code: str = Field(description="Code value in the coding scheme.")
    scheme: str = Field(description="Coding scheme designator, SCT for SNOMED CT.")
    meaning: str = Field(description="Code meaning.")
    urgency: Urgency = Field(description="How soon a human must know.")
    level: Level = Field(description="The operating point that was passed: page or worklist.")
    probability: Probability = Field(description="Highest probability on any slice of the run.")
    volume_ml: Millilitres = Field(description="Volume of the segmented run in mL.")
    slices: int = Field(ge=0, description="Number of neighbouring slices in the run.")
    side: Side = Field(default=Side.UNKNOWN, description="The patient's side, from the mask and the skull.")
    run: RunWords | None = Field(
        default=None, description="Null where no slice passed, and from appliances that do not tell it."
    )

    @classmethod
    def of(cls, finding: Finding) -> FindingWords:
        code = finding.rule.code
        return cls(
            key=finding.rule.key,
            code=code.value,
            scheme=code.scheme,
            meaning=code.meaning,
            urgency=finding.rule.urgency,
            level=finding.level,
            probability=finding.probability,
            volume_ml=finding.volume_ml,
            slices=len(finding.slices),
            side=finding.side,
            run=RunWords.of(finding),
        )


class ModelWords(Words):
    """Which weights spoke."""

    name: str
    version: str
    digest: str = Field(description="SHA-256 of the model file.")

    @classmethod
    def of(cls, model: ModelIdentity) -> ModelWords:
        return cls(name=model.name, version=model.version, digest=model.digest)


class EscalationWords(Words):
    """Why this copy of an alert rings: somebody before did not answer."""

    role: str = Field(description="The role that is rung.")
    step: int = Field(ge=0, description="Its place in the site's escalation plan, from 0.")
    times: int = Field(ge=1, description="How often that role has been rung.")
    reason: str = Field(
        description="One label: no_answer, no_delivery, not_published, nobody_listens, not_closed, update."
    )


class AlertTimings(Words):
    """UTC by the receiver's clock, `detected_at` by the agent's."""

    first_slice_received_at: UtcTime
    first_positive_slice_received_at: UtcTime | None = Field(description="First slice of the finding.")
    last_slice_received_at: UtcTime = Field(description="While the status is preliminary: the last so far.")
    detected_at: UtcTime


class ResultTimings(Words):
    """UTC by the receiver's clock, `settled_at` by the agent's."""

    first_slice_received_at: UtcTime
    last_slice_received_at: UtcTime
    settled_at: UtcTime


class _SeriesMessage(Message):
    notice: Notice = Field(default=NOTICE, description="What this system may be used for.")
    test: bool = Field(default=False, description="True for a drill or a canary: page nobody for it.")
    sequence: int = Field(
        ge=1,
        description="Grows with every alert, result and notice of this appliance, those below test/ "
        "included; a gap is a lost message.",
    )
    series_token: str = Field(description="Keyed digest that names the series on this appliance.")
    study_token: str = Field(description="Keyed digest that names the study on this appliance.")
    accession_token: str = Field(description="Keyed digest of the accession number; empty if it had none.")
    scanner: str = Field(description="The site's alias of the sending scanner.")
    revision: int = Field(ge=0, description="Grows when late slices reopen the series.")
    predecessor: str | None = Field(description="outcome_id that this revision replaces.")
    model: ModelWords
    degraded: bool = Field(description="True when the fallback and not the inference server spoke.")


class AlertMessage(_SeriesMessage):
    """A finding that somebody must see now; later messages with the same alert_id amend it."""

    kind: Literal["alert"] = "alert"
    alert_id: str = Field(
        description="One per study and finding; stays the same from preliminary to the last word."
    )
    status: AlertStatus = Field(
        description="incomplete: the finding stands, but the series never completed. retracted: the "
        "complete series does not confirm it."
    )
    urgency: Urgency
    finding: FindingWords
    timings: AlertTimings
    demoted: str = Field(
        default="",
        description="Why it rings no clinical role: budget, maintenance, mute, or test (on that topic).",
    )
    held: str = Field(
        default="",
        description="Why it rings only now, or is on the worklist only now: it was held back by maintenance, "
        "test or mute.",
    )
    rings: bool = Field(
        default=True, description="False for an amendment or a worklist entry: show it, and ring nobody."
    )
    escalation: EscalationWords | None = Field(default=None, description="Null on the first page.")

    @classmethod
    def of(cls, alert: Alert, appliance: str, sequence: int) -> AlertMessage:
        series, timings = alert.series, alert.timings
        return cls(
            appliance=appliance,
            sequence=sequence,
            test=alert.test,
            demoted=alert.demoted,
            rings=alert.route is Route.PAGE or alert.demoted == QuietKind.TEST,
            alert_id=alert.alert_id,
            status=alert.status,
            urgency=alert.finding.rule.urgency,
            finding=FindingWords.of(alert.finding),
            series_token=series.series_token,
            study_token=series.study_token,
            accession_token=series.accession_token,
            scanner=series.scanner,
            revision=series.revision,
            predecessor=series.predecessor,
            model=ModelWords.of(alert.model),
            degraded=alert.degraded,
            timings=AlertTimings(
                first_slice_received_at=timings.first_slice_received_at,
                first_positive_slice_received_at=timings.first_positive_slice_received_at,
                last_slice_received_at=timings.last_slice_received_at,
                detected_at=timings.detected_at,
            ),
        )


class ResultMessage(_SeriesMessage):
    """The one end of a series revision; no_finding is said only of a complete series in scope."""

    kind: Literal["result"] = "result"
    outcome_id: str
    outcome: OutcomeKind
    reason: str = Field(description="One label: a completion reason, a scope reason or an error's reason.")
    detail: str = Field(description="The numbers behind the reason, for a person.")
    findings: tuple[FindingWords, ...]
    instances: int = Field(ge=0, description="Number of DICOM instances the series had.")
    timings: ResultTimings
    reconstructions: ReconstructionWords | None = Field(
        default=None, description="Null while no other reconstruction of the same acquisition is known."
    )

    @classmethod
    def of(cls, outcome: Outcome, appliance: str, sequence: int) -> ResultMessage:
        series = outcome.series
        return cls(
            appliance=appliance,
            sequence=sequence,
            test=series.test,
            outcome_id=outcome.outcome_id,
            outcome=outcome.kind,
            reason=outcome.reason,
            detail=outcome.detail,
            findings=tuple(FindingWords.of(f) for f in outcome.findings),
            instances=outcome.instances,
            reconstructions=ReconstructionWords.of(outcome.choice) if outcome.choice else None,
            series_token=series.series_token,
            study_token=series.study_token,
            accession_token=series.accession_token,
            scanner=series.scanner,
            revision=series.revision,
            predecessor=series.predecessor,
            model=ModelWords.of(outcome.model),
            degraded=outcome.degraded,
            timings=ResultTimings(
                first_slice_received_at=outcome.first_slice_received_at,
                last_slice_received_at=outcome.last_slice_received_at,
                settled_at=outcome.settled_at,
            ),
        )


EdgeMessage = AlertMessage | ResultMessage | StatusMessage | HeartbeatMessage | NoticeMessage | CanaryMessage
ANY_MESSAGE: TypeAdapter[EdgeMessage] = TypeAdapter(Annotated[EdgeMessage, Field(discriminator="kind")])
