"""`edge ledger prune --dry-run`: what retention would remove now, and what stays and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edge.clock import SystemClock
from edge.retention import rules_of, verdicts
from edge.settings import Settings

ABOUT = """The running agent removes by itself (settings: [retention]); this shows what it would ask for next.
Removed are the images of finished series alone. Outcomes, alerts, messages and the trail stay.
kept: unfinished (no outcome, or something arrived since), alert_open (no human has answered its page),
recent (younger than retention.least_hours), room_left (its age has not come and there is room).
The agent removes nothing by age for a day after the clock was set forward; this knows nothing of that."""


def lines(settings: Settings) -> Iterator[str]:
    """Tokens and sizes; the count of what stays, by reason."""
    found = verdicts(settings.appliance.state_dir, rules_of(settings.retention), SystemClock())
    for series, verdict in found:
        if verdict.removes:
            yield (
                f"would remove  series {series.series_token}  {series.size_bytes / 2**20:.1f} MiB  "
                f"settled {series.settled_at:%Y-%m-%d %H:%M} UTC  because of {verdict}"
            )
    stay = Counter(str(verdict) for _, verdict in found if not verdict.removes)
    yield "kept          " + (
        ", ".join(f"{n} {why}" for why, n in sorted(stay.items())) or "none with an outcome"
    )
