from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import FixConfiguration
from edge.writable import made_writable


def test_a_new_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    made_writable(tmp_path / "a" / "b", "report.json")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("of the last time")
    made_writable(tmp_path, "report.json", "report.html")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("report.json", "of the last time")]


@pytest.mark.parametrize(("out", "why"), [("file", "File exists"), ("file/below", "Not a directory")])
def test_a_file_in_the_way_is_told_with_what_to_do(tmp_path: Path, out: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FixConfiguration, match=f"^cannot write in {tmp_path / out}: {why}$") as refused:
        made_writable(tmp_path / out, "report.json")
    assert refused.value.advice == "Name another folder with --out."


def test_a_folder_with_a_files_name_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(FixConfiguration, match="Is a directory"):
        made_writable(tmp_path, "report.json")
