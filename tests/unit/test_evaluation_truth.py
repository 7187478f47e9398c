from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import RejectInput
from edge.evaluation.truth import read_labels
from edge.models.contract import load_clinical_model

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("intracranial_hemorrhage", "subdural_hemorrhage")


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_csv_and_toml_say_the_same(tmp_path: Path) -> None:
    text = "id,findings,volume_ml,group\n1.2,subdural epidural,12.5,trauma\nb/c.dcm, none,,\n"
    table = """
        [[label]]
        id = "1.2"
        findings = ["subdural", "epidural"]
        volume_ml = 12.5
        group = "trauma"
        [[label]]
        id = "b/c.dcm"
        findings = []
    """
    labels = read_labels(written(tmp_path, "labels.csv", text), KEYS)
    assert labels == read_labels(written(tmp_path, "labels.toml", table), KEYS)
    assert labels[0].truth.findings == {"subdural", "epidural"}
    assert (labels[0].truth.total_ml, labels[0].group) == (12.5, "trauma")
    assert not labels[1].truth.positive
    assert labels[1].truth.total_ml is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id,findings\n", "no label"),
        ("id,findings,diagnosis\n1,any,x\n", "diagnosis"),
        ("id,volume_ml\n1,3\n", "lacks id or findings"),
        ("id,findings\n,any\n", "lacks id or findings"),
        ("id,findings\n1,any\n\n1,none\n", "line 4 has an id that comes twice"),
        ("id,findings,volume_ml\n1,any,many\n", "no number"),
        ("id,findings,volume_ml\n1,any,-3\n", "no volume"),
        ("id,findings,volume_ml\n1,any,nan\n", "no volume"),
        ("id,findings\n1,any,3,4\n", "line 2 has an unknown column"),
        ("id,findings\n1,subdural,epidural\n", "line 2 has an unknown column"),
    ],
)
def test_bad_labels_are_refused_by_their_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(RejectInput, match=named) as refused:
        read_labels(written(tmp_path, "labels.csv", text), KEYS)
    assert "columns id,findings" in refused.value.advice


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", set[str]()),
        ("none", set[str]()),
        ("No", set[str]()),
        ("any", {"any"}),
        ("Subdural EPIDURAL", {"subdural", "epidural"}),
        ('"subdural,epidural"', {"subdural", "epidural"}),
        ('"subdural, epidural,"', {"subdural", "epidural"}),
        ("subdural;intraventricular", {"subdural", "intraventricular"}),
        ("intracranial_hemorrhage", {"intracranial_hemorrhage"}),
        ("subdural_hemorrhage", {"subdural"}),
    ],
)
def test_findings_are_types_and_keys_of_the_model(tmp_path: Path, said: str, meant: set[str]) -> None:
    text = f"id,findings\n1,{said}\n"
    (label,) = read_labels(written(tmp_path, "labels.csv", text), KEYS)
    assert label.truth.findings == meant
    assert label.truth.positive == bool(meant)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("normal", "normal"),
        ("0", "0"),
        ("1", "1"),
        ("no bleed", "no"),
        ("no subdural", "no"),
        ("subdural none", "none"),
        ("subdurall", "subdurall"),
        ("subdural/epidural", "subdural/epidural"),
        ("epidural_hemorrhage", "epidural_hemorrhage"),
    ],
)
def test_a_word_that_is_no_finding_is_never_a_bleed(tmp_path: Path, said: str, word: str) -> None:
    path = written(tmp_path, "labels.csv", f"id,findings\n1,any\n2,{said}\n")
    with pytest.raises(RejectInput, match=f"^line 3: '{word}' is no finding") as refused:
        read_labels(path, KEYS)
    allowed = ("any", "epidural", "subdural", "subarachnoid", "intraparenchymal", "intraventricular", *KEYS)
    assert ", ".join(allowed) in refused.value.advice


@pytest.mark.parametrize(
    "said", ["'normal'", "['normal']", "0", "false", "[['subdural']]", "{ subdural = 1 }"]
)
def test_toml_is_held_to_the_same_words(tmp_path: Path, said: str) -> None:
    table = f"[[label]]\nid = 'x'\nfindings = 'any'\n[[label]]\nid = 'y'\nfindings = {said}\n"
    with pytest.raises(RejectInput, match=r"^label 2: .* is no finding"):
        read_labels(written(tmp_path, "labels.toml", table), KEYS)


@pytest.mark.parametrize("model", ["ct_head_hemorrhage", "ct_head_hyperdensity"])
def test_the_labels_of_the_shipped_report_are_read_for_either_model(model: str) -> None:
    keys = [f.key for f in load_clinical_model(ROOT / "model_repo" / model).findings]
    path = ROOT / "model_repo" / "ct_head_hemorrhage" / "report" / "real_labels.csv"
    assert sum(label.truth.positive for label in read_labels(path, keys)) == 4


@pytest.mark.parametrize("text", ["label = 3", "label = [3]", "[[label]\n", "[label]\nid = 'x'"])
def test_bad_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RejectInput):
        read_labels(written(tmp_path, "labels.toml", text), KEYS)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectInput, match="cannot be read"):
        read_labels(tmp_path / "none.csv", KEYS)
