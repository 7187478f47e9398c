"""Writes points into clinical.toml together with the digest of the graph that they were chosen for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Point(NamedTuple):
    """Slices in a row, their mL and mm, asked for beside the probability; and what bounds that."""

    slices: int
    least_ml: float
    least_mm: float = 0.0
    least_probability: float = 0.0
    bloodless_allowed: float = 0.0


@dataclass(frozen=True)
class Chosen:
    """For page and worklist, `limits` are probabilities by finding, `points` what is asked for beside them;
    `measured` are the lines of that table."""

    version: str
    onnx_sha256: str
    mask_threshold: float
    limits: Mapping[str, Mapping[str, float]]
    points: Mapping[str, Point]
    measured: str


def bound(text: str, chosen: Chosen) -> str:
    """The text of clinical.toml with all of it; comments and everything else stay.

    Raises ValueError where a key is not there to be replaced.
    """
    text = _replaced(text, r'(?m)^version = ".*"$', f'version = "{chosen.version}"')
    text = _replaced(text, r'(?m)^onnx_sha256 = ".*"$', f'onnx_sha256 = "{chosen.onnx_sha256}"')
    text = _replaced(text, r"(?m)^mask_threshold = .*$", f"mask_threshold = {chosen.mask_threshold}")
    for name, limits in chosen.limits.items():
        for finding, limit in limits.items():
            of_finding = rf'(?s)(key = "{finding}"\n.*?\n{name} = \{{ )[^}}]*'
            text = _replaced(text, of_finding, rf"\g<1>{_keys(limit, chosen.points[name])} ")
    rest = re.sub(r"(?s)\n\[measured\]\n.*?(?=\n\[|\Z)", "", text).rstrip("\n")
    return f"{rest}\n\n[measured]\n{chosen.measured}\n"


def measured_line(name: str, found: Mapping[str, Any]) -> str:
    """One operating point of the table, from `operating_points.report`.

    Raises ValueError where a class has no series: of none there is no share.
    """
    bled, clean = found["at least 1 mL"], found["bloodless that pass"]
    if not bled["of"] or not clean["of"]:
        raise ValueError(
            f"{bled['of']} series with at least 1 mL and {clean['of']} without blood: both are needed"
        )
    low, high = clean["interval"]
    shares = {
        "sensitivity": bled["passed"] / bled["of"],
        "sensitivity_interval": [round(v, 3) for v in bled["interval"]],
        "specificity": 1 - clean["passed"] / clean["of"],
        "specificity_interval": [round(1 - high, 3), round(1 - low, 3)],
    }
    said = ", ".join(f"{k} = {round(v, 3) if isinstance(v, float) else v}" for k, v in shares.items())
    return f"{name} = {{ {said} }}"


def _keys(limit: float, point: Point) -> str:
    run = f"min_contiguous_slices = {point.slices}, min_volume_ml = {point.least_ml}"
    return f"probability = {limit:.2f}, {run}, min_extent_mm = {point.least_mm}"


def _replaced(text: str, pattern: str, by: str) -> str:
    text, count = re.subn(pattern, by, text, count=1)
    if not count:
        raise ValueError(f"clinical.toml has nothing like {pattern}")
    return text
