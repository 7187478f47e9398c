"""One canary from its first slice to its verdict; where it stops is read off the ledger, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from edge.domain.canary import Evidence, Part, Stage, Verdict, blame
from edge.domain.identity import SeriesInstanceUID
from edge.errors import EdgeError
from edge.ports import Clock

LOOK_EVERY_S = 0.2
# A head that is under way for longer no longer keeps the next one from being sent.
PATIENCE_S = 3600.0


class SentHead(Protocol):
    """What became of a head at the receiver; see dicom.canary_sender.Sent."""

    @property
    def series(self) -> SeriesInstanceUID: ...
    @property
    def instances(self) -> int: ...
    @property
    def acknowledged(self) -> int: ...
    @property
    def trouble(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`send` blocks and sends a head, `look` reads what the ledger has of it, `well` asks a part itself.

    `wait` returns after the seconds it is given, or at once with True when we are to stop.
    """

    send: Callable[[], SentHead]
    look: Callable[[SeriesInstanceUID, int, bool], Evidence]
    well: Callable[[Part], bool]
    clock: Clock
    wait: Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Run:
    """A verdict with what it rests on; `sent_at` is when sending began, `acknowledged_at` when it ended."""

    verdict: Verdict
    seen: Evidence
    sent_at: datetime
    acknowledged_at: datetime


@dataclass(frozen=True, slots=True)
class _UnderWay:
    head: SentHead
    sent_at: datetime
    acknowledged_at: datetime
    began: float


class Canary:
    """`run` again and again. A head that is stored and not over yet is judged again, and none sent after it.

    So a pipeline that stands still is not given one head more every period to work off afterwards.
    """

    def __init__(self, around: Surroundings, timeout_s: float, proven_at: datetime | None = None) -> None:
        """`proven_at` is the last page known to have reached a pager, from before a restart."""
        self._around, self._timeout_s, self._proven_at = around, timeout_s, proven_at
        self._left: _UnderWay | None = None

    def run(self) -> Run | None:
        """Returns within a few `timeout_s`; None when it was stopped before there was a verdict."""
        around, left = self._around, self._left
        if left is not None and around.clock.monotonic() - left.began < PATIENCE_S:
            seen = self._look(left, Evidence(left.head.instances, acknowledged=True))
            if not (seen.over or seen.outcome):
                return self._judged(left, seen, around.clock.monotonic() - left.began)
        began, sent_at = around.clock.monotonic(), around.clock.utc()
        head = around.send()
        now = _UnderWay(head, sent_at, around.clock.utc(), began)
        stored = head.acknowledged == head.instances
        self._left = now if stored else None
        seen = Evidence(head.instances, acknowledged=stored)
        while stored and not seen.over:
            seen = self._look(now, seen)
            took_s = around.clock.monotonic() - began
            if seen.over or took_s >= self._timeout_s:
                break
            if around.wait(LOOK_EVERY_S):
                return None
        return self._judged(now, seen, around.clock.monotonic() - began)

    def _look(self, under_way: _UnderWay, before: Evidence) -> Evidence:
        head = under_way.head
        try:
            return self._around.look(head.series, head.instances, True)
        except EdgeError:
            return before  # the agent is about to make its ledger, or the disk fails: nothing new is known

    def _judged(self, under_way: _UnderWay, seen: Evidence, took_s: float) -> Run:
        part, reason = blame(seen, self._around.well)
        if part is Part.RECEIVER and under_way.head.trouble:
            reason = under_way.head.trouble
        if seen.stage is Stage.PROVEN:
            self._left = None
            took_s = max(0.0, min(took_s, _until_proof(under_way, seen, took_s)))
        now, before = self._around.clock.utc(), self._proven_at
        # A proof that has yet to come is from before the clock was set back: nobody knows how old it is.
        self._proven_at = seen.proven_at or (before if before is not None and before <= now else None)
        verdict = Verdict(now, part, seen.stage, reason, took_s, self._proven_at)
        return Run(verdict, seen, under_way.sent_at, under_way.acknowledged_at)


def _until_proof(under_way: _UnderWay, seen: Evidence, took_s: float) -> float:
    proof = max((p.answered_at for p in seen.pages if p.answered_at), default=None)
    return took_s if proof is None else (proof - under_way.sent_at).total_seconds()
