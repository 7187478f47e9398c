"""The page DEGRADED.md, made from the table of the core: `python -m edge.modes_page`."""

from __future__ import annotations

import sys

from edge.domain.degraded import CONSEQUENCES, Mode

_HEAD = """# Degraded modes

Generated from `edge/domain/degraded.py`; write it again with
`python -m edge.modes_page > edge/DEGRADED.md`.

What fails, and what that means. Each mode that holds is named in the status message and the heartbeat
(`modes`), in the metric `edge_degraded_mode`, in the log when it begins and ends, in `/healthz` of the
agent, and by `edge check`, which fails for the urgent ones. The gravest come first.

| mode | fault | staff see | ops see | what is lost | how long | urgent |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, ending in a newline."""
    return _HEAD + "".join(_row(mode) for mode in Mode)


def _row(mode: Mode) -> str:
    c = CONSEQUENCES[mode]
    cells = (f"`{mode}`", c.fault, c.staff, c.ops, c.lost, c.lasts, "yes" if c.urgent else "no")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
