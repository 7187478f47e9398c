"""The few statistics the tables need; small samples, so no interpolation between what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: always one of `values`; raises ValueError for none."""
    if not values:
        raise ValueError("no values, no percentile")
    if not 0 < percent <= 100:
        raise ValueError(f"percent must be above 0 and at most 100, not {percent}")
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def spread(values: Sequence[float]) -> dict[str, float]:
    """n, p50, p95 and max."""
    return {
        "n": len(values),
        "p50": percentile(values, 50),
        "p95": percentile(values, 95),
        "max": max(values),
    }


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers and stand right."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{len(row)} cells below {len(header)} headings")
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])
