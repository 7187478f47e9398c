"""What the appliance says of its own ringing, so that nobody takes quiet for "no finding"."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.domain.quiet import QuietKind
from edge.mqtt.words import Message, UtcTime, Words


class QuietWords(Words):
    """A time in which findings are held back; it ends by itself."""

    kind: QuietKind = Field(description="maintenance and test are of the whole appliance, mute of a scanner.")
    scanner: str = Field(default="", description="The site's alias of a muted scanner, else empty.")
    since: UtcTime
    until: UtcTime


class NoticeMessage(Message):
    """To whoever waits for pages: show it, once for each correlation data."""

    kind: Literal["notice"] = "notice"
    sequence: int = Field(ge=1, description="Of the same count as that of alerts and results.")
    what: Literal["quiet_began", "quiet_ended", "budget_spent", "page_expired"]
    at: UtcTime
    quiet: QuietWords | None = Field(default=None, description="The quiet that began or ended.")
    alert_id: str = Field(default="", description="page_expired: the alert that no human has taken.")
    finding: str = Field(
        default="",
        description="The finding whose budget is spent, or whose page expired; the model's own name.",
    )
    held: int = Field(
        default=0,
        ge=0,
        description="quiet_ended: findings that were held back and that no human has taken. "
        "budget_spent: findings on the worklist so far.",
    )
    rings: int = Field(
        default=0,
        ge=0,
        description="quiet_ended: so many of `held` ring now. The others are beyond the budget and on the "
        "worklist, or held back by something else still.",
    )
    budget: int | None = Field(
        default=None, description="budget_spent: alerts of the finding that may ring an hour."
    )
    text: str = Field(description="The same for a person.")
