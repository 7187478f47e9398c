"""The latest verdict of the canary, for the agent to tell of and for `edge check`: one small JSON file."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path

from edge.domain.canary import Part, Stage, Verdict
from edge.spool.files import private_folder, write_new
from edge.spool.ledger_rows import time_text

VERDICT = "canary.json"


def keep_verdict(state_dir: Path, verdict: Verdict) -> None:
    """In place of the one before; raises OSError when the disk will not take it."""
    words = {
        "at": time_text(verdict.at),
        "part": verdict.part,
        "stage": verdict.stage,
        "reason": verdict.reason,
        "took_s": round(verdict.took_s, 3),
        "proven_at": None if verdict.proven_at is None else time_text(verdict.proven_at),
    }
    path = private_folder(state_dir) / VERDICT
    fresh = path.with_name(f"{VERDICT}.{secrets.token_hex(8)}")
    try:
        write_new(fresh, json.dumps(words).encode("ascii") + b"\n")
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)


def latest_verdict(state_dir: Path) -> Verdict | None:
    """None before the first canary; one that cannot be read counts as none, for the next replaces it."""
    try:
        words = json.loads((state_dir / VERDICT).read_bytes())
        part, proven = words["part"], words["proven_at"]
        return Verdict(
            at=datetime.fromisoformat(words["at"]),
            part=None if part is None else Part(part),
            stage=Stage(words["stage"]),
            reason=str(words["reason"]),
            took_s=float(words["took_s"]),
            proven_at=None if proven is None else datetime.fromisoformat(proven),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
