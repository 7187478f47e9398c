"""The degraded modes of the appliance: what each means to staff and to ops, what is lost, and for how long.

Status, heartbeat, metric labels, `edge check` and the table of DEGRADED.md all come from `CONSEQUENCES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Mode(StrEnum):
    """Named by what is wrong, the gravest first; several may hold at once."""

    DISK_FULL = "disk_full"
    TRITON_DOWN = "triton_down"
    BROKER_AWAY = "broker_away"
    PAGE_NOT_PROVEN = "page_not_proven"
    SECOND_CHANNEL_FAILING = "second_channel_failing"
    PAGES_UNANSWERED = "pages_unanswered"
    OVERLOADED = "overloaded"
    TRITON_FALLBACK = "triton_fallback"
    TRITON_SUSPECT = "triton_suspect"
    DISK_SCARCE = "disk_scarce"
    SHARED_MEMORY_LOST = "shared_memory_lost"
    AUDIT_BEHIND = "audit_behind"


@dataclass(frozen=True, slots=True)
class Consequences:
    """One row of the table; `urgent` when findings may be late or images are turned away while it lasts."""

    fault: str
    staff: str
    ops: str
    lost: str
    lasts: str
    urgent: bool


CONSEQUENCES: Mapping[Mode, Consequences] = {
    Mode.DISK_FULL: Consequences(
        fault="less space than dicom.min_free_gib, and no finished series left that may go",
        staff="the scanner shows that sending failed and keeps its images; no new page comes from here",
        ops="C-STORE answered 0xA700, edge_instances_refused_total, `edge check` disk",
        lost="nothing that was acknowledged; what is refused stays on the scanner, which sends it again",
        lasts="until space is free: within seconds of it",
        urgent=True,
    ),
    Mode.TRITON_DOWN: Consequences(
        fault="Triton does not give the known answer, and no fallback may or can speak for it",
        staff="no new pages; each comes as soon as Triton is back, with the times of its slices",
        ops='breaker open, edge_triton_health{state="down"}; an embedded one is restarted, ever slower',
        lost="nothing: slices and slabs wait",
        lasts="a dead or frozen embedded server: about 5 to 20 s; another one: until it is mended",
        urgent=True,
    ),
    Mode.BROKER_AWAY: Consequences(
        fault="the broker gives no PUBACK: away, frozen, or it refuses us",
        staff="pagers stay silent; pages come by the hook command, then by e-mail, where those are set up",
        ops="edge_broker_connected 0, edge_outbox_oldest_age_seconds grows, the Will says offline",
        lost="nothing: every message waits in the outbox and goes out under its old key; a page of the last "
        "three days is followed from then on as ever",
        lasts="until it answers again: 2 s more at most",
        urgent=True,
    ),
    Mode.PAGE_NOT_PROVEN: Consequences(
        fault="a test head did not get through to a test pager, or none was sent for two periods",
        staff="pages may not reach anybody, for a reason that nothing else here has named; the canary "
        "says so by the hook command and by e-mail, where those are set up",
        ops="edge_canary_failing names the part, edge_proven_page_age_seconds grows; see `edge canary`",
        lost="nothing: a real head stops where the test did, and goes on from there",
        lasts="until a test page is answered; while one fails, the next goes out within a minute",
        urgent=True,
    ),
    Mode.SECOND_CHANNEL_FAILING: Consequences(
        fault="the hook command or the mail server failed with a page that no pager had answered",
        staff="nobody may have been told of a finding",
        ops='edge_notices_total{result="failed"} with the exit code or SMTP status in log and trail',
        lost="nothing: it is tried again, every five minutes in the end, after the page expired too",
        lasts="until one attempt succeeds or somebody answers the page; at most until three days after it "
        "expired",
        urgent=True,
    ),
    Mode.PAGES_UNANSWERED: Consequences(
        fault="everybody of the escalation plan was rung and no human took the page, or it was told on a "
        "second channel because no pager had answered it",
        staff="every role has the page; the same alert by hook command or e-mail, where those are set up",
        ops="edge_alerts_rung_in_vain, edge_notices_total, a notice page_expired when it has expired; "
        "`edge show` has each step and attempt",
        lost="nothing; a page may reach somebody twice. An expired page rings nobody any more",
        lasts="until a human answers (before the plan has ended a pager is enough) or the alert is taken "
        "back; at most until three days after it expired",
        urgent=True,
    ),
    Mode.OVERLOADED: Consequences(
        fault="more slices wait for the model than it judges in triton.overload_s",
        staff="suspicious and new heads first; older routine series later, and their results with them",
        ops="edge_inference_wait_seconds, which the heartbeat says too",
        lost="nothing: every fourth slab is the one that has waited longest",
        lasts="until the queue is worked off; the estimate says when",
        urgent=True,
    ),
    Mode.TRITON_FALLBACK: Consequences(
        fault="Triton does not give the known answer; ONNX Runtime speaks in its place, with the same model",
        staff="pages as ever, later by seconds; each page and result says degraded",
        ops='edge_triton_health{state="fallback"}, edge_series_degraded_total',
        lost="nothing but speed",
        lasts="until the canary passes again",
        urgent=False,
    ),
    Mode.TRITON_SUSPECT: Consequences(
        fault="Triton was late once, or has just been started: the canary is asking it",
        staff="nothing; a page may be late by a few seconds",
        ops='edge_triton_health{state="suspect"}',
        lost="nothing: slabs wait for the answer",
        lasts="about a second; then it is trusted, or down",
        urgent=False,
    ),
    Mode.DISK_SCARCE: Consequences(
        fault="less space than retention.free_gib",
        staff="nothing",
        ops='edge_series_removals_requested_total{reason="space"}, edge_spool_free_bytes',
        lost="images of finished series, the oldest first, before retention.days; no outcome, no open alert",
        lasts="until there is space, or only unfinished and recent series are left",
        urgent=False,
    ),
    Mode.SHARED_MEMORY_LOST: Consequences(
        fault="Triton cannot open our shared memory, or it is full: slabs travel inside the requests",
        staff="nothing; a page may be late by tenths of a second",
        ops="the log says why; /dev/shm is full, or Triton has another IPC namespace or user",
        lost="nothing but speed",
        lasts="looked at again every 30 s",
        urgent=False,
    ),
    Mode.AUDIT_BEHIND: Consequences(
        fault="the audit repository does not take messages",
        staff="nothing",
        ops="edge_audit_waiting, edge_audit_lost_total",
        lost="nothing while the spool has room (audit.spool_messages); beyond it new messages, counted",
        lasts="until the repository answers: a minute more at most",
        urgent=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Which modes hold, each since when; `since` is when the set last changed."""

    modes: Mapping[Mode, datetime]
    since: datetime

    def changed(self, mode: Mode, *, holds: bool, now: datetime) -> Condition:
        """Itself when nothing changes."""
        if (mode in self.modes) is holds:
            return self
        left = {m: at for m, at in self.modes.items() if m is not mode}
        return Condition(left | {mode: now} if holds else left, now)

    @property
    def names(self) -> tuple[Mode, ...]:
        """The gravest first."""
        return tuple(m for m in Mode if m in self.modes)
