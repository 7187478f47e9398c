"""What is known of a case: from a phantom, or from a labels file somebody wrote."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import RejectInput

ANY = "any"
_NONE = frozenset({"", "none", "negative", "no"})
_COLUMNS = frozenset({"id", "findings", "volume_ml", "group", "synthetic"})
_HINT = (
    "A CSV file has the columns id,findings and optionally volume_ml,group,synthetic; a TOML file a "
    "[[label]] with these keys for each. `id` is a Series or SOP Instance UID, or the path of a file or "
    "folder below --cases; `findings` are keys divided by spaces, `any` for unknown types, empty for none."
)


@dataclass(frozen=True, slots=True)
class Truth:
    """`findings` empty is a negative, `any` a bleed of unknown type; `volume_ml` where known.

    `sides` (left, right of the patient) and `volume_ml` are by type; a labels file that gives one
    volume for everything has it under `any`.
    """

    findings: frozenset[str]
    volume_ml: Mapping[str, float] = field(default_factory=dict[str, float])
    sides: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def positive(self) -> bool:
        return bool(self.findings)

    @property
    def total_ml(self) -> float | None:
        return sum(self.volume_ml.values()) if self.volume_ml else None


@dataclass(frozen=True, slots=True)
class Label:
    """One line of a labels file."""

    id: str
    truth: Truth
    group: str = ""
    synthetic: bool = False


def read_labels(path: Path) -> tuple[Label, ...]:
    """Raises RejectInput that names the line for anything that is not understood."""
    try:
        rows = _toml_rows(path) if path.suffix.lower() == ".toml" else _csv_rows(path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise RejectInput("labels", f"the labels file cannot be read: {error}", hint=_HINT) from error
    labels = tuple(_label(number, row) for number, row in enumerate(rows, start=1))
    ids = [label.id for label in labels]
    if (twice := next((i for i in ids if ids.count(i) > 1), None)) is not None:
        raise RejectInput("labels", f"label {ids.index(twice) + 1} has an id that comes twice", hint=_HINT)
    if not labels:
        raise RejectInput("labels", "the labels file holds no label", hint=_HINT)
    return labels


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened, skipinitialspace=True)
        return [dict(row) for row in reader]


def _toml_rows(path: Path) -> list[dict[str, Any]]:
    rows: object = tomllib.loads(path.read_text(encoding="utf-8")).get("label", [])
    if not isinstance(rows, list):
        raise RejectInput("labels", "label is not an array of tables", hint=_HINT)
    return rows  # pyright: ignore[reportUnknownVariableType] # each row is checked by _label


def _label(number: int, row: dict[str, Any]) -> Label:
    where = f"label {number}"
    if unknown := sorted(str(k) for k in set(row) - _COLUMNS):
        raise RejectInput("labels", f"{where} has an unknown column {unknown[0]}", hint=_HINT)
    if "findings" not in row or row["findings"] is None or not str(row.get("id") or "").strip():
        raise RejectInput("labels", f"{where} lacks id or findings", hint=_HINT)
    said = row["findings"]
    words: list[str] = [str(w) for w in said] if isinstance(said, list) else str(said).split()  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] # TOML values are any
    findings = frozenset(w.lower() for w in words) - _NONE
    volume = str(row.get("volume_ml") or "").strip()
    try:
        volumes = {ANY: float(volume)} if volume else {}
    except ValueError as error:
        raise RejectInput("labels", f"{where}: volume_ml is no number", hint=_HINT) from error
    if any(not 0.0 <= v < 10_000.0 for v in volumes.values()):
        raise RejectInput("labels", f"{where}: volume_ml is no volume of blood", hint=_HINT)
    synthetic = str(row.get("synthetic") or "").strip().lower() in {"1", "true", "yes"}
    return Label(str(row["id"]).strip(), Truth(findings, volumes), str(row.get("group") or ""), synthetic)
