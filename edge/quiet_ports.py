"""What keeping a site's quiet needs from ledger, state folder and wire; see ports.py for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge.domain.quiet import Quiet
from edge.ports import Draft, OutboundMessage


@dataclass(frozen=True, slots=True)
class Held:
    """A finding on the worklist that no human has taken: word `number` of the ledger, and its message.

    `demoted` is why it is there: a QuietKind, or the budget.
    """

    number: int
    alert_id: str
    finding: str
    demoted: str
    ae_title: str
    since: datetime
    said: OutboundMessage


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What a quiet that ended had held back and no human has taken.

    `rings` of them ring now, `waiting` are held back by something else still, and the others are beyond the
    budget.
    """

    findings: int
    rings: int
    waiting: int

    @property
    def beyond_budget(self) -> int:
        return self.findings - self.rings - self.waiting


class QuietRegister(Protocol):
    """The ledger's memory of quiet; every call is durable when it returns.

    `latest` has one word for every kind and scanner that ever had any. `say` returns False for an order
    and event it has already. `held` are in the order in which they were found. `release` lets one ring,
    `keep` leaves it to the worklist for good, with a message for whoever has not seen it there. `told_at` is
    when a message whose key begins with these words and a colon was last put into the outbox. `rang` counts
    by finding the alerts that rang since: those that the budget counts, or those that had been held back.
    """

    def latest(self) -> Sequence[Quiet]: ...
    def say(self, quiet: Quiet, notice: Draft | None) -> bool: ...
    def held(self) -> Sequence[Held]: ...
    def release(self, held: Held, page: Draft) -> None: ...
    def keep(self, held: Held, why: str, moved: Draft | None) -> None: ...
    def tell(self, notice: Draft) -> None: ...
    def told_at(self, prefix: str) -> datetime | None: ...
    def rang(self, since: datetime, *, held_back: bool = False) -> Mapping[str, int]: ...


class QuietRequests(Protocol):
    """What people asked for at the command line; a request is read again until it is `done`."""

    def waiting(self) -> Sequence[Quiet]: ...
    def done(self, order: Quiet) -> None: ...


class Notices(Protocol):
    """Turns what the appliance has to say of its own ringing into drafts in the broker's words.

    In `budget_spent` `held` counts findings that no human has taken from the worklist.
    """

    def quiet_began(self, quiet: Quiet) -> Draft: ...
    def quiet_ended(self, quiet: Quiet, began: datetime, held: HeldBack) -> Draft: ...
    def budget_spent(self, finding: str, budget: int, held: int, at: datetime) -> Draft: ...
    def released(self, held: OutboundMessage, number: int) -> Draft: ...
    def to_worklist(self, held: OutboundMessage, number: int, why: str) -> Draft: ...
