"""Curves as SVG by hand: a frame, two axes, lines and dots with a title each for the pointer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from edge.evaluation.statistics import Calibration, Roc

_SIZE, _LEFT, _BOTTOM, _TOP = 260, 44, 38, 12
_WIDTH, _HEIGHT = _LEFT + _SIZE + 14, _TOP + _SIZE + _BOTTOM
Point = tuple[float, float]
Axis = tuple[str, Sequence[tuple[float, str]]]


def roc_svg(curves: Sequence[tuple[str, Roc]], marks: Sequence[tuple[str, Point]]) -> str:
    """Curves by name; `marks` are operating points as (false positive rate, sensitivity)."""
    parts = [_line([(0, 0), (1, 1)], "ideal")]
    for number, (name, curve) in enumerate(curves):
        points = [(p.false_positive_rate, p.true_positive_rate) for p in curve.points]
        parts.append(_line(points, f"c{number}", f"{name}: AUC {curve.auc:.3f}"))
    parts += [_dot(point, f"{name}: {point[1]:.1%} at {1 - point[0]:.1%}", 5) for name, point in marks]
    ticks = [(v, f"{v:g}") for v in (0, 0.25, 0.5, 0.75, 1)]
    return _frame("ROC curve", parts, ("1 - specificity", ticks), ("sensitivity", ticks))


def calibration_svg(found: Calibration) -> str:
    """What was promised against what was so, with 95 % intervals; dots grow with the bin."""
    parts = [_line([(0, 0), (1, 1)], "ideal")]
    for b in found.bins:
        value, interval = b.observed.value, b.observed.interval
        if value is None or interval is None:
            continue
        parts.append(_line([(b.promised, interval[0]), (b.promised, interval[1])], "whisker"))
        said = f"said {b.promised:.3f}, was {value:.3f}, {b.observed.of} slices"
        parts.append(_dot((b.promised, value), said, 2 + math.log10(b.observed.of)))
    ticks = [(v, f"{v:g}") for v in (0, 0.25, 0.5, 0.75, 1)]
    return _frame("Calibration", parts, ("probability said", ticks), ("share with blood", ticks))


def volume_svg(pairs: Sequence[Point]) -> str:
    """Found against true volume in mL, both logarithmic from 0.1; a miss lies on the floor."""
    parts = [_line([(0, 0), (1, 1)], "ideal")]
    parts += [_dot((_log(t), _log(f)), f"true {t:.1f} mL, found {f:.1f} mL", 2.5) for t, f in pairs]
    ticks = [(_log(v), f"{v:g}") for v in (0.1, 1, 10, 100)]
    return _frame("Volume", parts, ("true mL", ticks), ("found mL", ticks))


def _log(ml: float) -> float:
    """0.1 to 200 mL on the unit interval."""
    return (math.log10(min(max(ml, 0.1), 200.0)) + 1.0) / (math.log10(200.0) + 1.0)


def _frame(title: str, parts: Sequence[str], x: Axis, y: Axis) -> str:
    label_x, ticks_x = x
    label_y, ticks_y = y
    axes: list[str] = []
    for at, text in ticks_x:
        axes.append(f'<text x="{_x(at):.1f}" y="{_TOP + _SIZE + 15}" text-anchor="middle">{text}</text>')
    for at, text in ticks_y:
        axes.append(f'<text x="{_LEFT - 6}" y="{_y(at) + 4:.1f}" text-anchor="end">{text}</text>')
    middle = _LEFT + _SIZE / 2
    axes.append(f'<text x="{middle}" y="{_HEIGHT - 5}" text-anchor="middle">{escape(label_x)}</text>')
    turned = f'transform="rotate(-90 11 {_TOP + _SIZE / 2})"'
    axes.append(f'<text x="11" y="{_TOP + _SIZE / 2}" text-anchor="middle" {turned}>{escape(label_y)}</text>')
    box = f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIZE}" height="{_SIZE}" class="box"/>'
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{escape(title)}">'
    return head + box + "".join(axes) + "".join(parts) + "</svg>"


def _line(points: Sequence[Point], name: str, title: str = "") -> str:
    drawn = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline class="{name}" points="{drawn}"><title>{escape(title)}</title></polyline>'


def _dot(at: Point, title: str, radius: float) -> str:
    place = f'cx="{_x(at[0]):.1f}" cy="{_y(at[1]):.1f}" r="{radius:.1f}"'
    return f"<circle {place}><title>{escape(title)}</title></circle>"


def _x(share: float) -> float:
    return _LEFT + share * _SIZE


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SIZE
