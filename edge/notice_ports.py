"""What telling a page on a second channel needs from the ledger and from the channel; see ports.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge.domain.alert import AlertStatus
from edge.domain.canary import Part, Stage
from edge.domain.finding import Side, Urgency
from edge.domain.second_channel import Attempts, Channel, Page
from edge.errors import RetryPeer


@dataclass(frozen=True, slots=True)
class Notice:
    """A page in words for a person and, as `payload`, as it is on the wire: without patient data.

    `key` names the message for ever: whoever honours it is told once.
    """

    key: str
    alert_id: str
    status: AlertStatus
    urgency: Urgency
    appliance: str
    series_token: str
    finding: str
    side: Side
    probability: float
    volume_ml: float
    scanner: str
    degraded: bool
    first_slice_received_at: datetime
    detected_at: datetime
    payload: bytes


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """That pages reach nobody because of `part`, or None: do again. `payload` is it as on the wire.

    `stage` is how far the test page came, `proven_at` when one last reached a pager.
    """

    key: str
    appliance: str
    part: Part | None
    stage: Stage
    reason: str
    at: datetime
    proven_at: datetime | None
    payload: bytes


class NotTold(RetryPeer):
    """The channel did not take a notice; `reason` is a word such as exit_1 or smtp_535."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoticeChannel(Protocol):
    """Blocking, bounded in time, for one thread. Returns how it was taken in one word; raises NotTold."""

    def tell(self, notice: Notice) -> str: ...


class AlarmChannel(Protocol):
    """The same for what concerns all pages."""

    def alarm(self, notice: AlarmNotice) -> str: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A page and what was tried of it so far, by channel and status."""

    page: Page
    tried: Mapping[tuple[Channel, AlertStatus], Attempts]

    def told(self, channel: Channel) -> frozenset[AlertStatus]:
        return frozenset(status for (c, status), a in self.tried.items() if c is channel and a.told)


class NoticeRegister(Protocol):
    """The ledger's memory of second channels; every call is durable when it returns.

    `pages` are those no human has answered, up to three days after they expired, and those taken back that
    some channel told. `attempted`
    writes one attempt into the trail; without `next_at` the status was told and is not told again.
    """

    def pages(self, now: datetime) -> Sequence[Waiting]: ...
    def attempted(
        self, page: Page, channel: Channel, result: str, at: datetime, next_at: datetime | None
    ) -> None: ...
