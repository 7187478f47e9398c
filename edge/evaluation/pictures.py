"""Key slices as small pictures: the slice with the true blood outlined, the masks, and the heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.domain.series import SliceHeader
from edge.evaluation.judge import Judged
from edge.evaluation.png import png
from edge.imaging.volume import Slice

# A subdural window: brain and blood both show.
WINDOW_HU = (-10.0, 110.0)
WIDEST_PX = 216
_GREYS = 32
_TISSUE_HU = -300
_MARGIN_MM = 4.0
TRUTH_COLOUR = (255, 255, 255)
# Colours for findings in the model's order, apart for the colour-blind (Okabe and Ito).
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
# From dark red over orange to pale yellow, a tenth of probability each; below the first nothing is shown.
HEAT = tuple((min(255, 90 + 24 * i), max(0, 34 * (i - 2)), max(0, 40 * (i - 6))) for i in range(1, 10))
_LEVELS = [round(255 * i / (_GREYS - 1)) for i in range(_GREYS)]
PALETTE = [*((level, level, level) for level in _LEVELS), TRUTH_COLOUR, *COLOURS, *HEAT]
_FIRST_HEAT = _GREYS + 1 + len(COLOURS)


@dataclass(frozen=True)
class Picture:
    """A PNG of three panels side by side; `place` is the slice's place in its series, feet to head from 1."""

    png: bytes
    place: int
    of: int


def key_header(judged: Judged) -> SliceHeader | None:
    """The slice to look at: the largest finding's, else most true blood, else the highest probability."""
    if not judged.slices:
        return None
    by_uid = {h.sop_instance_uid: h for h in judged.slices}
    if judged.findings:
        return by_uid[max(judged.findings, key=lambda f: f.volume_ml).key_slice]
    blood = {u: int(np.count_nonzero(b)) for u, b in judged.case.blood_yx.items() if u in by_uid}
    if blood and max(blood.values()) > 0:
        return by_uid[max(blood, key=lambda u: blood[u])]
    evidence = judged.evidence
    said = {u: max(e.probability.values()) for u, e in evidence.items()}
    return by_uid[max(said, key=lambda u: said[u])] if said else None


def picture(judged: Judged, shown: Slice) -> Picture:
    """The slice cropped to the head; the outline is white, each finding has its colour, heat has its own."""
    header = shown.header
    step, rows, columns = _crop(shown)
    grey = _grey(shown.hu_yx[rows, columns], step)
    last_row, last_column = (n * step for n in grey.shape)
    alone, masked, hot = grey.copy(), grey.copy(), grey.copy()
    blood = judged.case.blood_yx.get(header.sop_instance_uid)
    if blood is not None:
        alone[_outline((blood > 0)[rows, columns][:last_row:step, :last_column:step])] = _GREYS
    if header.sop_instance_uid in judged.masks:
        for channel in range(len(judged.scores)):
            mask = judged.mask_of(header, channel)[rows, columns][:last_row:step, :last_column:step]
            edge = _outline(mask)
            masked[edge] = _GREYS + 1 + channel % len(COLOURS)
            # A veil of every other pixel: the blood below stays visible.
            veil = mask & (np.indices(mask.shape).sum(axis=0) % 2 == 0)
            masked[veil] = _GREYS + 1 + channel % len(COLOURS)
        heat = judged.heat_yx[header.sop_instance_uid][rows, columns][:last_row:step, :last_column:step]
        tenths = np.minimum(heat.astype(np.uint16) * 10 // 255, len(HEAT)).astype(np.uint8)
        hot[tenths > 0] = _FIRST_HEAT - 1 + tenths[tenths > 0]
    gap = np.full((grey.shape[0], 3), _GREYS - 1, np.uint8)
    panels = np.concatenate([alone, gap, masked, gap, hot], axis=1)
    place = 1 + [h.sop_instance_uid for h in judged.slices].index(header.sop_instance_uid)
    return Picture(png(panels, PALETTE), place, len(judged.slices))


def legend(keys: Sequence[str]) -> list[tuple[str, str]]:
    """(finding key, CSS colour) in the model's order."""
    return [(key, "rgb({}, {}, {})".format(*COLOURS[i % len(COLOURS)])) for i, key in enumerate(keys)]


def _grey(hu_yx: NDArray[np.int16], step: int) -> NDArray[np.uint8]:
    """The window in few greys, each pixel the mean of `step` by `step`."""
    rows, columns = (n // step for n in hu_yx.shape)
    blocks = hu_yx[: rows * step, : columns * step].reshape(rows, step, columns, step)
    low, high = WINDOW_HU
    share = np.clip((blocks.mean(axis=(1, 3)) - low) / (high - low), 0.0, 1.0)
    return np.rint(share * (_GREYS - 1)).astype(np.uint8)


def _crop(shown: Slice) -> tuple[int, slice, slice]:
    """Every how many pixels, and which rows and columns: the box around all tissue."""
    tissue = shown.hu_yx > _TISSUE_HU
    # A row that the head crosses has many such pixels, one of the head holder's rim has few.
    least = 0.05 * max(shown.hu_yx.shape)
    at_rows = _found(tissue.sum(axis=1) > least)
    at_columns = _found(tissue.sum(axis=0) > least)
    margin = round(_MARGIN_MM / min(shown.header.pixel_spacing_mm))
    rows, columns = (
        slice(max(0, first - margin), min(last + 1 + margin, size))
        for (first, last), size in zip((at_rows, at_columns), shown.hu_yx.shape, strict=True)
    )
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    return max(1, -(-longest // WIDEST_PX)), rows, columns


def _found(here: NDArray[np.bool_]) -> tuple[int, int]:
    """The first and last place that is true, or all there is."""
    places = [i for i, found in enumerate(here.tolist()) if found]
    return (places[0], places[-1]) if places else (0, len(here) - 1)


def _outline(mask_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = mask_yx.copy()
    inner[1:] &= mask_yx[:-1]
    inner[:-1] &= mask_yx[1:]
    inner[:, 1:] &= mask_yx[:, :-1]
    inner[:, :-1] &= mask_yx[:, 1:]
    return mask_yx & ~inner
