from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT, modules

MOST_LINES = 250
MOST_STATEMENTS = 40
VAGUE = re.compile(r"^_?(utils?|helpers?|manager|base|common)$|_(utils?|helpers?|manager)$")


@pytest.mark.parametrize("asked", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff_is_content(asked: list[str]) -> None:
    ruff = [sys.executable, "-m", "ruff", *asked, "--no-cache", "."]
    linted = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_pyright_is_content() -> None:
    # The wheel brings its own node and its own pyright: nothing is fetched, no system node is needed.
    quiet = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    pyright = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    checked = subprocess.run(pyright, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_files_are_short() -> None:
    lengths = {str(p): len((ROOT / p).read_text().splitlines()) for p in modules("edge")}
    assert {p: n for p, n in lengths.items() if n > MOST_LINES} == {}


def test_functions_are_short() -> None:
    long: list[str] = []
    for path, tree in modules("edge").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                statements = sum(isinstance(n, ast.stmt) for n in ast.walk(node)) - 1
                if statements > MOST_STATEMENTS:
                    long.append(f"{path}:{node.lineno}: {node.name} has {statements} statements")
    assert long == []


def test_no_module_is_named_for_nothing() -> None:
    names = {str(p): {p.stem, *p.parts[:-1]} for p in [*modules("edge"), *modules("tests")]}
    assert [p for p, parts in names.items() if any(VAGUE.search(part) for part in parts)] == []


def test_a_blind_except_swallows_only_at_a_named_boundary() -> None:
    silent: list[str] = []
    for path, tree in modules("edge").items():
        lines = (ROOT / path).read_text().splitlines()
        handlers = [n for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler)]
        for caught in (h for h in handlers if _blind(h) and not _raises(h)):
            line = lines[caught.lineno - 1]
            if not re.search(r"#.*\bboundary: \w+ \w+", line):
                silent.append(f"{path}:{caught.lineno}: {line.strip()}")
    assert silent == []


def _blind(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in ast.walk(handler.type)
    )


def _raises(handler: ast.ExceptHandler) -> bool:
    """What it caught goes on: the last statement raises."""
    return isinstance(handler.body[-1], ast.Raise)
