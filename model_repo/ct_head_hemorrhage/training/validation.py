"""How good the network is on slices it was not trained on; numbers for the log, not for the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_repo.ct_head_hemorrhage.training.anatomy import phantom_head, template_head
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.network import Bleeds
from model_repo.ct_head_hemorrhage.training.samples import Heads, draw_sample

SEED = 990_001


def validation_set(data: Path, count: int) -> list[tuple[Tensor, Tensor]]:
    """Samples of phantoms with odd seeds and of the average head deformed by seeds of their own."""
    heads = Heads((template_head(data / "ct-template"),), tuple(phantom_head(2 * k + 1) for k in range(6)))
    drawn = [draw_sample(heads, np.random.default_rng([SEED, i]), 0.6) for i in range(count)]
    return [(torch.from_numpy(a).float(), torch.from_numpy(b).float() / 255) for a, b in drawn]


def auc(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, nan without both classes."""
    if truth.all() or not truth.any():
        return float("nan")
    return float(np.mean(scores[truth][:, None] > scores[~truth][None, :]))


@torch.no_grad()
def measure(network: Bleeds, held: list[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """AUC and Dice by type, and sensitivity for any blood with 1.5 % of the bloodless slices above."""
    network.eval()
    scores, areas, traces, overlaps = [], [], [], []
    for hu, truth in held:
        logits, slices = network(hu[None])
        found = torch.sigmoid(logits[0]) > 0.5
        wanted = truth > 0.5
        scores.append(torch.sigmoid(slices[0]).numpy())
        areas.append(wanted.sum((1, 2)).numpy())
        traces.append(float(truth.sum()))
        both = (found & wanted).sum((1, 2)).numpy()
        overlaps.append(np.stack([both, found.sum((1, 2)).numpy(), wanted.sum((1, 2)).numpy()]))
    network.train()
    score, area, overlap = np.stack(scores), np.stack(areas), np.stack(overlaps).sum(0)
    there, clean = area > 20, np.array(traces) < 2
    limit = np.quantile(score[clean].max(1), 0.985, method="higher")
    hit = score.max(1)[there.any(1)] > limit
    return {
        "auc": {
            t: round(auc(score[there[:, k] | clean, k], there[there[:, k] | clean, k]), 4)
            for k, t in enumerate(TYPES)
        },
        "dice": {
            t: round(float(2 * overlap[0, k] / (overlap[1, k] + overlap[2, k] + 1)), 4)
            for k, t in enumerate(TYPES)
        },
        "sensitivity_at_98.5": round(float(hit.mean()), 4),
        "limit": round(float(limit), 4),
        "clean": int(clean.sum()),
        "with_blood": int(there.any(1).sum()),
    }
