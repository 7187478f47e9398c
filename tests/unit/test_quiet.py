from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from edge.domain.quiet import Quiet, QuietEvent, QuietKind, holding, span
from tests.fakes.clock import START

MUTE = Quiet(
    "1", QuietEvent.BEGAN, QuietKind.MUTE, "CT_ER_1", START, START + timedelta(minutes=30), "tube", "ops"
)
WHOLE = replace(MUTE, kind=QuietKind.MAINTENANCE, scanner="")


def test_a_mute_is_of_one_scanner_and_maintenance_of_all() -> None:
    assert [holding([MUTE], title, START) for title in ("CT_ER_1", "CT_ER_2")] == ["mute", ""]
    assert holding([MUTE, WHOLE], "CT_ER_2", START) == "maintenance"
    assert holding([replace(WHOLE, event=QuietEvent.ENDED)], "CT_ER_1", START) == ""


@pytest.mark.parametrize(("after_s", "holds"), [(-1, False), (0, True), (1799, True), (1800, False)])
def test_quiet_ends_by_itself_also_when_the_clock_is_set_back(after_s: int, *, holds: bool) -> None:
    assert MUTE.in_force(START + timedelta(seconds=after_s)) is holds


def test_a_span_is_a_number_and_a_unit() -> None:
    assert [span(t).total_seconds() for t in ("90s", "30m", " 2h")] == [90, 1800, 7200]
    for nonsense in ("", "0m", "30", "1d", "-5m", "1.5h", "30 minutes"):
        with pytest.raises(ValueError, match="no span of time"):
            span(nonsense)
