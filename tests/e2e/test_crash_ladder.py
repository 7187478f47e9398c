"""The short form of the crash ladder: a few drawn rounds of each rung, and one judge of all.

The same rounds in every build, so that one fails for what was changed; the long form, `python -m tests.bench
ladder --rounds 200 --seed S`, goes where nobody has been. `EDGE_LADDER_SEED` draws others here as well.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ladder.rungs import Batch, climb, missing

pytestmark = [pytest.mark.peer("mosquitto", "storescu", "dcmsend"), pytest.mark.timeout(900)]

SEED = 27


@pytest.mark.parametrize(
    ("rung", "rounds"),
    [
        ("kills", 6),
        ("pairs", 3),
        pytest.param("syscalls", 16, marks=pytest.mark.peer("strace")),
        pytest.param("agent", 3, marks=pytest.mark.peer("strace")),
        ("disk", 3),
        pytest.param("clock", 3, marks=pytest.mark.peer("faketime")),
        ("hospital", 1),
    ],
)
def test_nothing_is_lost_and_every_page_arrives(rung: str, rounds: int, tmp_path: Path) -> None:
    if why := missing(rung):
        required = os.environ.get("EDGE_REQUIRE_PEERS") == "1" and why.startswith("apt-get")
        (pytest.fail if required else pytest.skip)(why)
    seed = int(os.environ.get("EDGE_LADDER_SEED") or SEED)
    print(f"seed {seed}")
    said = climb(Batch(rung, 0, rounds, seed), tmp_path / rung, print)
    print(said.figures)
    assert said.faults == ()
    assert said.figures["faults injected"] > 0
    assert said.figures["acknowledged"] > 0
    assert said.figures["lost"] == 0
