from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import RejectInput
from edge.evaluation.truth import read_labels


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
    labels = read_labels(written(tmp_path, "labels.csv", text))
    assert labels == read_labels(written(tmp_path, "labels.toml", table))
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
        ("id,findings\n1,any\n1,none\n", "comes twice"),
        ("id,findings,volume_ml\n1,any,many\n", "no number"),
        ("id,findings,volume_ml\n1,any,-3\n", "no volume"),
        ("id,findings,volume_ml\n1,any,nan\n", "no volume"),
        ("id,findings\n1,any,3,4\n", "unknown column"),
    ],
)
def test_bad_labels_are_refused_by_their_number(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(RejectInput, match=named) as refused:
        read_labels(written(tmp_path, "labels.csv", text))
    assert "columns id,findings" in refused.value.advice


@pytest.mark.parametrize("text", ["label = 3", "[[label]\n", "[label]\nid = 'x'"])
def test_bad_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RejectInput):
        read_labels(written(tmp_path, "labels.toml", text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectInput, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
