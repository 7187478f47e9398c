"""The report as one HTML file that needs nothing else: tables, curves and pictures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from edge.evaluation.figures import LEVELS, Detection, UnitFigures
from edge.evaluation.pictures import Picture
from edge.evaluation.plots import calibration_svg, roc_svg, volume_svg
from edge.evaluation.report import Figures
from edge.evaluation.statistics import Calibration, Proportion, VolumeError

_PANELS = (
    "Left: the slice, true blood outlined in white. Middle: the masks. "
    "Right: the heat map, the highest probability at each pixel, from 10 % (dark red) to 90 % (yellow)."
)
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --dim: #777; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
table { border-collapse: collapse; margin: .6rem 0; }
td, th { padding: .18rem .7rem .18rem 0; text-align: left; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr td { border-top: 1px solid #8883; }
small, .dim { color: var(--dim); } code { overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; font: 11px system-ui, sans-serif; fill: currentColor; }
svg .box { fill: none; stroke: var(--line); } svg polyline { fill: none; stroke: #0072b2; stroke-width: 2; }
svg .ideal { stroke: var(--line); stroke-width: 1; stroke-dasharray: 4; } svg .whisker { stroke-width: 1; }
svg .c1 { stroke: #d55e00; } svg circle { fill: #0072b2; fill-opacity: .75; }
.row { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; max-width: 22rem; }
figure img { width: 100%; image-rendering: pixelated; } figcaption { font-size: .82rem; color: var(--dim); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .9em; vertical-align: -0.05em; }
"""


@dataclass(frozen=True)
class Exhibit:
    """One picture with what is to be said of it."""

    picture: Picture
    caption: str


def page(
    said: Mapping[str, Any],
    figures: Figures,
    galleries: Sequence[tuple[str, Sequence[Exhibit]]],
    colours: Sequence[tuple[str, str]],
) -> str:
    """`said` is the report as data; galleries come by title, those without a picture are left out."""
    model, cases, ran = said["model"], said["cases"], said["ran"]
    title = f"{model['name']} {model['version']}, evaluated{' in part' if ran['broken_off'] else ''}"
    body = [
        f"<h1>{escape(title)}</h1><p><strong>{escape(said['notice'])}</strong> {escape(model['title'])}.</p>",
        _broken_off(ran["broken_off"], cases["all"]),
        _facts(
            {
                "weights (SHA-256)": model["digest"],
                "cases": f"{cases['all']}: {cases['with_blood']} with blood, "
                f"{cases['without_blood']} without, {cases['unlabelled']} unlabelled; "
                f"{cases['synthetic']} synthetic",
                "outcomes": ", ".join(f"{n} {k}" for k, n in cases["outcomes"].items()),
                "command": ran["command"],
                "answered by": answered_words(ran["answered_by"]),
                "inputs (SHA-256)": ran["cases_sha256"] or "none but phantoms",
                "phantoms (SHA-256)": ran["phantoms_sha256"] or "none",
                "labels (SHA-256)": ran["labels_sha256"] or "none",
                "machine": ", ".join(f"{k} {v}" for k, v in said["machine"].items()),
            }
        ),
        "<p class=dim>Intervals are 95 %: Wilson for proportions, Hanley and McNeil for areas.</p>",
        _unit("Whole series", figures.series),
        _unit("Single slices, judged by probability alone", figures.singles),
        _slices(figures),
        _volume(figures),
        _side(said),
        _seconds(said["seconds_per_slice"]),
    ]
    keys = "".join(f'<span class=key style="background:{c}"></span>{escape(k)}' for k, c in colours)
    for name, exhibits in galleries:
        if exhibits:
            shown = "".join(_exhibit(e) for e in exhibits)
            legend = f"<p class=dim>{_PANELS}{keys}</p>"
            body.append(f"<h2>{escape(name)}</h2>{legend}<div class=row>{shown}</div>")
    head = (
        f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    )
    return f"<!doctype html><html lang=en>{head}<style>{_STYLE}</style>{''.join(body)}</html>\n"


def _broken_off(broken_off: Mapping[str, Any] | None, judged: int) -> str:
    if broken_off is None:
        return ""
    return (
        f"<p><strong>Broken off: {escape(broken_off['reason'])}.</strong> "
        f"Cases judged: {judged}; not judged: {broken_off['cases_left']}. All figures are of the former.</p>"
    )


def answered_words(answered: Mapping[str, Any]) -> str:
    """`report.Answered` as data on one line."""
    inputs = ", ".join(f"{name} as {kind}" for name, kind in answered["inputs"].items())
    versions = ", ".join(f"version {v}" for v in answered["versions"])
    weights = answered["weights"] or "weights not known here"
    return "; ".join(part for part in (answered["platform"], versions, inputs, weights) if part)


def _facts(rows: Mapping[str, str]) -> str:
    cells = (f"<tr><td class=dim>{escape(k)}<td><code>{escape(str(v))}</code>" for k, v in rows.items())
    return f"<table>{''.join(cells)}</table>"


def _unit(title: str, unit: UnitFigures) -> str:
    if not unit.sensitivity and not unit.specificity:
        return ""
    parts = [f"<h2>{escape(title)}</h2>"]
    if unit.roc is not None:
        auc, (low, high) = unit.roc.auc, unit.roc.auc_interval
        drawn = roc_svg([("any finding", unit.roc)], _marks(unit))
        parts.append(f"<p>AUC {auc:.3f} ({low:.3f} to {high:.3f})</p>{drawn}")
    parts.append(_detections("Sensitivity", unit.sensitivity))
    parts.append(_detections("Sensitivity by volume of blood", unit.by_volume))
    parts.append(_detections("Specificity", unit.specificity))
    return "".join(parts)


def _marks(unit: UnitFigures) -> list[tuple[str, tuple[float, float]]]:
    marks: list[tuple[str, tuple[float, float]]] = []
    for level in LEVELS:
        hit = unit.sensitivity["all"].anything[level].value
        quiet = unit.specificity["all"].anything[level].value
        if hit is not None and quiet is not None:
            marks.append((level, (1 - quiet, hit)))
    return marks


def _detections(title: str, rows: Mapping[str, Detection]) -> str:
    if not rows:
        return ""
    typed = any(d.own_type for d in rows.values())
    heads = "".join(f"<th class=n>{level}" for level in LEVELS)
    heads += "".join(f"<th class=n>{level}, right type" for level in LEVELS) if typed else ""
    body = ""
    for name, found in rows.items():
        cells = [found.anything, found.own_type or {}] if typed else [found.anything]
        body += f"<tr><td>{escape(name)}" + "".join(_cell(c.get(level)) for c in cells for level in LEVELS)
    return f"<h3>{escape(title)}</h3><table><tr><th>{heads}{body}</table>"


def _cell(share: Proportion | None) -> str:
    if share is None or share.value is None or share.interval is None:
        return "<td class=n>"
    low, high = share.interval
    return f"<td class=n>{share.value:.1%} <small>{low:.1%}-{high:.1%}, {share.hits}/{share.of}</small>"


def _slices(figures: Figures) -> str:
    slices = figures.slices
    if slices.calibration is None:
        return ""
    rows = "".join(f"<tr><td>{escape(k)}{_score(c)}" for k, c in slices.by_key.items())
    head = "<tr><th><th class=n>Brier<th class=n>expected error"
    table = f"<table>{head}<tr><td>any{_score(slices.calibration)}{rows}</table>"
    area = f"AUC {slices.roc.auc:.3f}, " if slices.roc is not None else ""
    drawn = calibration_svg(slices.calibration)
    return f"<h2>Slice by slice</h2><p>{area}{slices.slices} slices</p>{drawn}{table}"


def _score(found: Calibration) -> str:
    return f"<td class=n>{found.brier:.3f}<td class=n>{found.expected_error:.3f}"


def _volume(figures: Figures) -> str:
    volume = figures.volume
    if not volume.pairs:
        return ""
    rows = ""
    for name, reported in volume.reported.items():
        rows += (
            f"<tr><td>{escape(name)}<td class=n>{reported.of}{_error(reported)}{_error(volume.mask[name])}"
        )
    heads = "<th class=n>cases" + "".join(
        f"<th class=n>{what}: median error<th class=n>bias<th class=n>90 % below"
        for what in ("reported", "mask")
    )
    said = "Reported is what a finding says, 0 when nothing was found; mask is every slice's mask together."
    table = f"<table><tr><th>{heads}{rows}</table>"
    return f"<h2>Volume against truth</h2><p>{said}</p>{volume_svg(volume.pairs)}{table}"


def _error(found: VolumeError) -> str:
    values = (f"{found.median_absolute:.0%}", f"{found.median_signed:+.0%}", f"{found.p90_absolute:.0%}")
    return "".join(f"<td class=n>{v}" for v in values)


def _side(said: Mapping[str, Any]) -> str:
    right = {k: Proportion(v["hits"], v["of"]) for k, v in said["side"].items() if v["of"]}
    if not right:
        return ""
    cells = "".join(f"<tr><td>{escape(k)}{_cell(v)}" for k, v in right.items())
    return f"<h2>Side named right, of one-sided blood found</h2><table>{cells}</table>"


def _seconds(seconds: Mapping[str, Any]) -> str:
    if not seconds["took"]:
        return ""
    rows = "".join(
        f"<tr><td>{name}"
        + "".join(f"<td class=n>{1000 * seconds[key][q]:.0f} ms" for q in ("median", "p95", "max"))
        for name, key in (("at the server", "took"), ("with the wait for its turn", "queued_and_took"))
    )
    head = "<tr><th><th class=n>median<th class=n>95 %<th class=n>longest"
    return f"<h2>Time per slice</h2><p>{seconds['slices']} slices</p><table>{head}{rows}</table>"


def _exhibit(exhibit: Exhibit) -> str:
    data = b64encode(exhibit.picture.png).decode()
    place = f"slice {exhibit.picture.place} of {exhibit.picture.of}"
    return (
        f'<figure><img alt="" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(exhibit.caption)}; {place}</figcaption></figure>"
    )
