"""When a page is told in another way than over the broker: a pure rule over where the page stands.

What counts is the answer of a pager, not the broker's PUBACK. Each status is told once on each channel,
and whoever was told of a finding is told when it is taken back.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.domain.alert import AlertStatus
from edge.domain.finding import Urgency
from edge.domain.lifecycle import Stage

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 300.0


class Channel(StrEnum):
    """HOOK is a command of the site's own on this machine, MAIL is SMTP."""

    HOOK = "hook"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Page:
    """An alert that pages, by its latest status; `opened_at` is when it was raised, or raised again.

    `opened_sequence` tells one page from an earlier one of the same alert; `message_key` is what it says.
    """

    alert_id: str
    opened_sequence: int
    opened_at: datetime
    status: AlertStatus
    urgency: Urgency
    stage: Stage
    exhausted: bool
    message_key: str

    @property
    def unanswered(self) -> bool:
        """No pager has it, or everybody was rung and no human took it; expiry changes nothing of that."""
        return self.stage in (Stage.DETECTED, Stage.PUBLISHED, Stage.EXPIRED) or (
            self.stage is Stage.DELIVERED and self.exhausted
        )


@dataclass(frozen=True, slots=True)
class Attempts:
    """What became of one status of a page on one channel; `next_at` None once it was told."""

    count: int
    next_at: datetime | None

    @property
    def told(self) -> bool:
        return self.next_at is None


def wanted(page: Page, told: Set[AlertStatus], after_s: float, now: datetime) -> bool:
    """Whether the latest status is to be told now on a channel that has told `told` of this page."""
    if page.status in told:
        return False
    if page.status is AlertStatus.RETRACTED:
        return bool(told)
    return page.unanswered and (now - page.opened_at).total_seconds() >= after_s


def pause_s(attempts: int) -> float:
    """How long after a failed attempt the next one comes: twice as long each time, five minutes at most."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16))


def most_pressing(page: Page) -> tuple[bool, int, datetime]:
    """Key of the order in which pages are told: before they expired, by urgency, whoever waits longest."""
    return page.stage is Stage.EXPIRED, list(Urgency).index(page.urgency), page.opened_at
