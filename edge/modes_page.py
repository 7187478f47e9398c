"""The page DEGRADED.md, made from the table of the core: `python -m edge.modes_page`."""

from __future__ import annotations

import sys

from edge.domain.degraded import CONSEQUENCES, Consequences, Mode
from edge.domain.unnamed_faults import UNNAMED_FAULTS

_HEAD = """# Degraded modes

Generated from `edge/domain/degraded.py` and `unnamed_faults.py` beside it; write it again with
`python -m edge.modes_page > edge/DEGRADED.md`.

What fails, and what that means. Each mode that holds is named in the status message and the heartbeat
(`modes`), in the metric `edge_degraded_mode`, in the log when it begins and ends, in `/healthz` of the
agent, and by `edge check`, which fails for the urgent ones. The gravest come first.

| mode | fault | staff see | ops see | what is lost | how long | urgent |
|---|---|---|---|---|---|---|
"""


_UNNAMED = """
## Faults that no mode names

Because whoever would name them is what fails, or because the agent cannot know. Times are those of the
shipped units and default settings; rules are those of `edge/telemetry/prometheus/alerts.yml`.

| part | fault | staff see | ops see | what is lost | how long | urgent |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, ending in a newline."""
    modes = "".join(_row(f"`{mode}`", CONSEQUENCES[mode]) for mode in Mode)
    return _HEAD + modes + _UNNAMED + "".join(_row(name, c) for name, c in UNNAMED_FAULTS.items())


def _row(name: str, c: Consequences) -> str:
    cells = (name, c.fault, c.staff, c.ops, c.lost, c.lasts, "yes" if c.urgent else "no")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
