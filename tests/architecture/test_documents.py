"""The documents say what the code does: links, paths, commands and the table of completeness."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from edge.cli import main
from edge.domain.announcement import Tally
from edge.domain.completeness import TRANSITIONS, Facts, Phase, SeriesEvent
from tests.architecture.source import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", ".github/*.md", "edge/**/*.md", "firmware/**/*.md", "model_repo/**/*.md")
    for path in ROOT.glob(pattern)
)
ARCHITECTURE = (ROOT / "edge" / "ARCHITECTURE.md").read_text()
README = (ROOT / "README.md").read_text()
# Everything the rules of the table look at, on both sides of each comparison.
POSSIBLE = [
    Facts(*facts)
    for facts in product(
        (False, True), (False, True), (0, 1), (False, True), Tally, (False, True), (False, True)
    )
]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_code(text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_relative_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", without_code((ROOT / document).read_text()))
    local = [t for t in targets if not re.match(r"[a-z]+:", t)]
    assert [t for t in local if not (ROOT / document).parent.joinpath(t).exists()] == []


@pytest.mark.parametrize("document", [".github/CONTRIBUTING.md", "firmware/README.md"])
def test_files_that_are_named_exist(document: str) -> None:
    top = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    named = [s for s in code_spans((ROOT / document).read_text()) if s.split("/")[0] in top and "/" in s]
    assert named
    assert [s for s in named if not re.search(r"[<*\s]", s) and not (ROOT / s).exists()] == []


def test_modules_that_the_architecture_names_exist() -> None:
    modules = [s for s in code_spans(ARCHITECTURE) if re.fullmatch(r"[\w/]+\.py", s)]
    assert modules
    package = {m: (ROOT / "edge" / m).exists() or (ROOT / m).exists() for m in modules}
    assert [m for m, exists in package.items() if not exists] == []


def test_every_command_of_the_readme_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^\| `edge ([a-z ]+)`", README, flags=re.M)
    assert len(commands) == len(set(commands)) > 5
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main([*words.split(), "--help"])
        assert ended.value.code == 0, words
        assert f"edge {words.split()[0]}" in capsys.readouterr().out


def test_every_command_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z]+)\s", capsys.readouterr().out, flags=re.M)
    assert "receive" in commands
    assert [c for c in commands if not re.search(rf"^\| `edge {c}\b", README, flags=re.M)] == []


def test_the_table_of_the_architecture_is_the_table_of_the_code() -> None:
    said = dict(documented_rows())
    assert said == {pair: reachable(pair) for pair in TRANSITIONS}


def test_the_diagram_of_the_architecture_shows_every_change_of_phase() -> None:
    drawn = {
        (before, event, after)
        for before, after, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", ARCHITECTURE, flags=re.M)
        for event in events.split(", ")
    }
    assert drawn == {
        (str(phase), str(event), str(after))
        for phase, event in TRANSITIONS
        for after in reachable((phase, event))
        if after is not phase
    }


def reachable(pair: tuple[Phase, SeriesEvent]) -> set[Phase]:
    return {TRANSITIONS[pair](facts).phase for facts in POSSIBLE}


def documented_rows() -> Iterator[tuple[tuple[Phase, SeriesEvent], set[Phase]]]:
    table = ARCHITECTURE.split("| phase | event |", 1)[1].split("\n\n", 1)[0]
    for row in table.splitlines()[2:]:
        phases, event, to = (re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:4])
        for phase in phases:
            yield (Phase(phase), SeriesEvent(event[0])), {Phase(p) for p in to}
