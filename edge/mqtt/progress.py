"""What a heartbeat carries: figures that move only with work that was done."""

from __future__ import annotations

from dataclasses import dataclass

from edge.domain.quiet import QuietKind


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pipeline is; see HeartbeatMessage for the fields."""

    journal_sequence: int
    slices_decoded: int
    slabs_inferred: int
    series_open: int
    outbox_depth: int
    last_outcome_age_s: float | None
    triton: str
    modes: tuple[str, ...] = ()
    inference_wait_s: float | None = 0.0
    quiet: tuple[QuietKind, ...] = ()
    held: int = 0
    messages_published: int = 0
    proven_page_age_s: float | None = None
    canary: str = ""
    clock_synchronised: bool | None = None
    clock_drift_s: float = 0.0
