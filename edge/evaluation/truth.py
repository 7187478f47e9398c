"""What is known of a case: from a phantom, or from a labels file somebody wrote."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import RejectInput
from edge.imaging.phantom import BleedType

ANY = "any"
_NONE = ("none", "negative", "no")
_COLUMNS = frozenset({"id", "findings", "volume_ml", "group", "synthetic"})
_HINT = (
    "A CSV file has the columns id,findings and optionally volume_ml,group,synthetic; a TOML file a "
    "[[label]] with these keys for each. `id` is a Series or SOP Instance UID, or the path of a file or "
    "folder below --cases; `findings` are keys divided by spaces, `any` for unknown types, empty for none."
)
_BETWEEN = re.compile(r"[\s,;]+")


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


def read_labels(path: Path, keys: Collection[str]) -> tuple[Label, ...]:
    """`keys` are the model's own, which may be named as findings beside the types of bleeding.

    Raises RejectInput that names the line for anything that is not understood: a word that was passed
    over, or taken for a bleed, would turn up as a wrong sensitivity.
    """
    try:
        rows = _toml_rows(path) if path.suffix.lower() == ".toml" else _csv_rows(path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise RejectInput("labels", f"the labels file cannot be read: {error}", hint=_HINT) from error
    labels = tuple(_label(where, row, keys) for where, row in rows)
    ids = [label.id for label in labels]
    if (twice := next((n for n, i in enumerate(ids) if i in ids[:n]), None)) is not None:
        raise RejectInput("labels", f"{rows[twice][0]} has an id that comes twice", hint=_HINT)
    if not labels:
        raise RejectInput("labels", "the labels file holds no label", hint=_HINT)
    return labels


def _csv_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened, skipinitialspace=True)
        return [(f"line {reader.line_num}", dict(row)) for row in reader]


def _toml_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    rows: object = tomllib.loads(path.read_text(encoding="utf-8")).get("label", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):  # pyright: ignore[reportUnknownVariableType] # that is the question
        raise RejectInput("labels", "label is not an array of tables", hint=_HINT)
    # tomllib tells no lines.
    return [(f"label {number}", row) for number, row in enumerate(rows, start=1)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] # each row is checked by _label


def _label(where: str, row: dict[str, Any], keys: Collection[str]) -> Label:
    if unknown := sorted(str(k) for k in set(row) - _COLUMNS):
        raise RejectInput("labels", f"{where} has an unknown column {unknown[0]}", hint=_HINT)
    if "findings" not in row or row["findings"] is None or not str(row.get("id") or "").strip():
        raise RejectInput("labels", f"{where} lacks id or findings", hint=_HINT)
    findings = _findings(where, row["findings"], keys)
    volume = str(row.get("volume_ml") or "").strip()
    try:
        volumes = {ANY: float(volume)} if volume else {}
    except ValueError as error:
        raise RejectInput("labels", f"{where}: volume_ml is no number", hint=_HINT) from error
    if any(not 0.0 <= v < 10_000.0 for v in volumes.values()):
        raise RejectInput("labels", f"{where}: volume_ml is no volume of blood", hint=_HINT)
    synthetic = str(row.get("synthetic") or "").strip().lower() in {"1", "true", "yes"}
    return Label(str(row["id"]).strip(), Truth(findings, volumes), str(row.get("group") or ""), synthetic)


def _findings(where: str, said: object, keys: Collection[str]) -> frozenset[str]:
    text = " ".join(str(w) for w in said) if isinstance(said, list) else str(said)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] # TOML values are any
    words = [w for w in _BETWEEN.split(text.lower()) if w]
    if len(words) == 1 and words[0] in _NONE:
        return frozenset()  # alone, for `no subdural` might mean that there is another bleed
    known = dict.fromkeys((ANY, *(t.value for t in BleedType), *keys))
    if (strange := next((w for w in words if w not in known), None)) is not None:
        raise RejectInput(
            "labels",
            f"{where}: {strange!r} is no finding",
            hint=f"`findings` holds words of {', '.join(known)}, divided by spaces, commas or semicolons; "
            f"for no blood nothing, or {', '.join(_NONE)} alone.",
        )
    return frozenset(_type_or_key(w) for w in words)


def _type_or_key(word: str) -> str:
    """`subdural` for a model's key `subdural_hemorrhage` too: figures are by type."""
    return next((t.value for t in BleedType if word.startswith(f"{t.value}_")), word)
