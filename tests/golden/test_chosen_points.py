"""Operating points get into clinical.toml with the weights they were chosen for, and with what they do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge.domain.outcome import ModelIdentity
from edge.list_command import measured
from edge.models.contract import ClinicalModel
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.clinical import Chosen, bound, measured_line

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repo"


def test_points_come_with_the_digest_they_were_chosen_for_and_with_what_was_measured() -> None:
    text = (REPOSITORY / "ct_head_hemorrhage" / "clinical.toml").read_text()
    limits = dict.fromkeys(TYPES, 0.61), dict.fromkeys(TYPES, 0.32)
    found = {
        "at least 1 mL": {"passed": 60, "of": 80, "interval": (0.65, 0.83)},
        "bloodless that pass": {"passed": 2, "of": 80, "interval": (0.01, 0.09)},
    }
    lines = ['on = "80 series"', measured_line("page", found), measured_line("worklist", found)]
    named = {"page": limits[0], "worklist": limits[1]}
    chosen = Chosen("9.9.9", "2" * 64, 0.45, named, "\n".join(lines))
    written = bound(bound(text, chosen), chosen)
    model = ClinicalModel.model_validate(tomllib.loads(written))
    assert model.identity == ModelIdentity("ct_head_hemorrhage", "9.9.9", "2" * 64)
    assert {f.page.probability for f in model.findings} == {0.61}
    assert {f.worklist.probability for f in model.findings} == {0.32}
    assert model.tensors.mask_threshold == 0.45
    assert written.count("#") == text.count("#"), "comments stay"
    assert "page sensitivity 75% (65%-83%), specificity 98% (91%-99%)" in measured(model.measured)
    with pytest.raises(ValueError, match="nothing like"):
        bound("", chosen)
