"""The operator's page METRICS.md, made from the catalogue: `python -m edge.telemetry.metrics_page`."""

from __future__ import annotations

import sys

from edge.telemetry.instruments import BUCKETS_S, OTHER, Metric
from edge.telemetry.metrics import CATALOGUE

_HEAD = f"""# Metrics

Generated from `edge/telemetry/metrics.py`; write it again with
`python -m edge.telemetry.metrics_page > edge/telemetry/METRICS.md`.

Receiver and agent each serve `/metrics` (settings `telemetry.host`, `telemetry.receiver_port`,
`telemetry.agent_port`). Labels hold a few words only, never a title, an address or an id; a value
that is no such word is counted as `{OTHER}`. `prometheus/` beside this page holds a scrape
configuration, alert rules and their tests. The usual `process_*` metrics are there as well.

Histograms are in seconds with the buckets {", ".join(f"{b:g}" for b in BUCKETS_S)}.

| metric | kind | of | labels | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, ending in a newline."""
    return _HEAD + "".join(_row(m) for m in CATALOGUE)


def _row(metric: Metric) -> str:
    roles = ", ".join(sorted(metric.roles)) or "whoever measures it"
    labels = "; ".join(_label(metric, i, name) for i, name in enumerate(metric.labels))
    return f"| `{metric.name}` | {metric.kind} | {roles} | {labels} | {metric.help} |\n"


def _label(metric: Metric, place: int, name: str) -> str:
    known = sorted({values[place] for values in metric.preset} - {""})
    return f"`{name}`" + (f": {', '.join(known)}, …" if known else "")


if __name__ == "__main__":
    sys.stdout.write(page())
