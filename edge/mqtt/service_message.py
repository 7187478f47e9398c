"""What the appliance says of itself; see message.py for what it says of series."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.domain.canary import Part, Stage, Verdict
from edge.domain.quiet import QuietKind
from edge.mqtt.notice_message import QuietWords
from edge.mqtt.words import Message, UtcTime


class StatusMessage(Message):
    """Retained; offline without `since` is the broker speaking for an appliance that vanished (Will)."""

    kind: Literal["status"] = "status"
    status: Literal["online", "degraded", "offline"]
    reason: str = Field(default="", description="Why it is not simply online, one label; the gravest.")
    modes: tuple[str, ...] = Field(
        default=(), description="Every degraded mode that holds, the gravest first, as in edge/DEGRADED.md."
    )
    wait_s: float | None = Field(
        default=None, ge=0, description="While overloaded: what the whole queue will take, rounded up."
    )
    since: UtcTime | None = Field(description="When the appliance said so; null from the broker.")
    version: str = Field(description="Version of the appliance's software.")
    quiet: tuple[QuietWords, ...] = Field(default=(), description="What holds findings back now.")


class HeartbeatMessage(Message):
    """Progress of the pipeline, not of a timer: figures that stand still while slices arrive are a fault."""

    kind: Literal["heartbeat"] = "heartbeat"
    at: UtcTime
    journal_sequence: int = Field(ge=0, description="Last journal entry of the receiver seen.")
    slices_decoded: int = Field(ge=0, description="Since the agent started.")
    slabs_inferred: int = Field(ge=0, description="Since the agent started.")
    messages_published: int = Field(default=0, ge=0, description="PUBACKs since the agent started.")
    series_open: int = Field(ge=0)
    outbox_depth: int = Field(
        ge=0, description="Messages that no PUBACK came for yet, and alerts that nobody was subscribed to."
    )
    last_outcome_age_s: float | None = Field(ge=0, description="Seconds since the last settled series.")
    proven_page_age_s: float | None = Field(
        default=None, ge=0, description="Seconds since a test page last reached a pager; null for never."
    )
    canary: str = Field(
        default="",
        description="proven, the part the latest canary blames, overdue, or empty before the first.",
    )
    clock_synchronised: bool | None = Field(
        default=None, description="What the kernel says of the appliance's clock; null where it cannot tell."
    )
    clock_drift_s: float = Field(
        default=0.0,
        description="What the clock was slewed by since the agent started; steps not counted. It says "
        "nothing where nobody corrects the clock.",
    )
    triton: str = Field(description="Health of the inference server: serving, suspect, down or fallback.")
    modes: tuple[str, ...] = Field(default=(), description="As in the status.")
    inference_wait_s: float | None = Field(
        default=0.0,
        ge=0,
        description="Estimate for all slabs that wait for the model; null: nobody knows.",
    )
    quiet: tuple[QuietKind, ...] = Field(
        default=(), description="What kinds of quiet hold findings back now."
    )
    held: int = Field(
        default=0, ge=0, description="Findings held back by them that no human has taken from the worklist."
    )


class CanaryMessage(Message):
    """For ops, on the notice topic: the proof of life failed, or for another reason, or is well again."""

    kind: Literal["canary"] = "canary"
    at: UtcTime
    proven: bool = Field(description="Whether a test page reached the test pager in time, judged by Triton.")
    part: Part | None = Field(description="The part to blame; null when proven.")
    stage: Stage = Field(description="The last stage the test page reached.")
    reason: str = Field(description="One label: what was missing, or what the receiver answered.")
    proven_page_at: UtcTime | None = Field(
        description="When a page was last known to have reached a pager; null for never."
    )

    @classmethod
    def of(cls, verdict: Verdict, appliance: str) -> CanaryMessage:
        return cls(
            appliance=appliance,
            at=verdict.at,
            proven=not verdict.failed,
            part=verdict.part,
            stage=verdict.stage,
            reason=verdict.reason,
            proven_page_at=verdict.proven_at,
        )
