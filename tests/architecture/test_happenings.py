from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from edge.telemetry import (
    alert_events,
    degraded_events,
    events,
    proof_events,
    quiet_events,
    receiver_events,
    tls_events,
)
from edge.telemetry.emit import happening_types
from edge.telemetry.reactions import REACTIONS
from tests.architecture.source import modules

# UIDs, names and whatever else says whose images these are; tokens and aliases do not.
PATIENT_DATA = ("uid", "patient", "birth", "accession", "study", "path", "file")


def test_every_class_of_events_is_a_happening() -> None:
    rooms = (
        events,
        alert_events,
        degraded_events,
        proof_events,
        quiet_events,
        receiver_events,
        tls_events,
    )
    found = [c for room in rooms for c in vars(room).values()]
    homes = {room.__name__ for room in rooms}
    classes = {c for c in found if isinstance(c, type) and c.__module__ in homes}
    assert classes == set(happening_types())


def test_every_happening_has_its_row_and_every_row_a_happening() -> None:
    assert set(REACTIONS) == set(happening_types())


def test_every_happening_happens() -> None:
    """A happening nobody emits is a promise to ops that nobody keeps."""
    called: set[str] = set()
    for path, tree in modules("edge").items():
        if Path("edge/telemetry") not in path.parents:
            calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
            called |= {f.id for f in calls if isinstance(f, ast.Name)}
            called |= {f.attr for f in calls if isinstance(f, ast.Attribute)}
    assert {k.__name__ for k in happening_types()} - called == set()


@pytest.mark.parametrize("kind", happening_types(), ids=lambda k: k.__name__)
def test_a_happening_is_frozen_and_names_no_patient(kind: type) -> None:
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert [f.name for f in fields(kind) if any(word in f.name for word in PATIENT_DATA)] == []
