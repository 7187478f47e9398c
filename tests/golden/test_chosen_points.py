"""Operating points get into clinical.toml with the weights they were chosen for, and with what they do."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edge.domain.outcome import ModelIdentity
from edge.list_command import measured
from edge.models.contract import ClinicalModel
from model_repo.ct_head_hemorrhage.training.bleeds import TYPES
from model_repo.ct_head_hemorrhage.training.clinical import Chosen, Point, bound, measured_line
from model_repo.ct_head_hemorrhage.training.heldout import generator_digest
from model_repo.ct_head_hemorrhage.training.operating_points import CHOOSE, REPORT, main

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
    points = {"page": Point(3, 0.25, 8.5), "worklist": Point(1, 0.125)}
    chosen = Chosen("9.9.9", "2" * 64, 0.45, named, points, "\n".join(lines))
    written = bound(bound(text, chosen), chosen)
    model = ClinicalModel.model_validate(tomllib.loads(written))
    assert model.identity == ModelIdentity("ct_head_hemorrhage", "9.9.9", "2" * 64)
    assert {tuple(f.page.model_dump().values()) for f in model.findings} == {(0.61, 3, 0.25, 8.5)}
    assert {tuple(f.worklist.model_dump().values()) for f in model.findings} == {(0.32, 1, 0.125, 0.0)}
    assert model.tensors.mask_threshold == 0.45
    assert written.count("#") == text.count("#"), "comments stay"
    assert "page sensitivity 75% (65%-83%), specificity 98% (91%-99%)" in measured(model.measured)
    with pytest.raises(ValueError, match="nothing like"):
        bound("", chosen)


@pytest.mark.parametrize("bled", [0, 3])
def test_no_share_is_written_of_no_series(bled: int) -> None:
    found = {
        "at least 1 mL": {"passed": 0, "of": bled, "interval": (0.0, 0.56) if bled else None},
        "bloodless that pass": {"passed": 0, "of": 3 - bled, "interval": None if bled else (0.0, 0.56)},
    }
    with pytest.raises(ValueError, match=f"{bled} series with at least 1 mL and {3 - bled} without blood"):
        measured_line("page", found)


@pytest.mark.parametrize(
    ("chosen_on_ml", "reported_on_ml", "says"),
    [
        ((30.0, 30.0), (3.0, 0.0), "--choose 2 has no series without blood"),
        ((5.0, 0.0), (3.0, 0.0), "--choose 2 has no series with more than 5 mL of blood"),
        ((30.0, 0.0), (3.0, 3.0), "--count 2 has no series without blood"),
        ((30.0, 0.0), (0.9, 0.0), "--count 2 has no series with more than 1 mL of blood"),
        ((30.0, 0.0), (), "--count 0 has no series without blood"),
    ],
)
def test_a_class_without_series_is_refused_before_the_model_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    chosen_on_ml: tuple[float, ...],
    reported_on_ml: tuple[float, ...],
    says: str,
) -> None:
    for seeds, truth_ml in ((CHOOSE, chosen_on_ml), ((REPORT,), reported_on_ml)):
        for seed in seeds:
            for i, ml in enumerate(truth_ml):
                # No pixels: a model that is asked about it after all would fail otherwise.
                np.savez(tmp_path / f"{seed}-{i:04}-{generator_digest()}.npz", truth_ml=[ml, 0, 0, 0, 0])
    counts = ["--choose", str(len(chosen_on_ml)), "--count", str(len(reported_on_ml))]
    monkeypatch.setattr("sys.argv", ["operating_points", "--kept", str(tmp_path), *counts])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert re.search(says, capsys.readouterr().err)
