"""The project's Python files, parsed once, for the rules that no linter has."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def modules(folder: str) -> dict[Path, ast.Module]:
    """Every Python file below `folder` by its path from the project's root."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return {f.relative_to(ROOT): ast.parse(f.read_text(), str(f)) for f in files}


def imported(tree: ast.Module) -> set[str]:
    """Dotted names of everything imported anywhere in the file, also by a literal name at run time."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {n.name for n in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"), args=[first, *_]
            ):
                found |= {first.value} if isinstance(first, ast.Constant) else set()
            case _:
                pass
    return found
