"""What is missing is named, nothing negative is said of it, and the retry makes it whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.peer("mosquitto", "storescu"), pytest.mark.timeout(240)]


def test_abort_in_mid_series_without_retry_is_incomplete(
    appliance: Callable[..., Appliance], ge_head: list[Path]
) -> None:
    scanner = appliance(EDGE_COMPLETENESS__DEADLINE_S="6")
    scanner.storescu(*ge_head[:20], options=["--abort"])
    (result,) = scanner.pager.until_results(1)
    assert result.outcome == "incomplete"
    scanner.pager.listen(2)
    assert len(scanner.pager.results) == 1
    assert all(r.outcome != "no_finding" for r in scanner.pager.results)


def test_abort_and_retry_is_one_complete_result(
    appliance: Callable[..., Appliance], ge_head: list[Path]
) -> None:
    scanner = appliance(EDGE_COMPLETENESS__DEADLINE_S="20")
    scanner.storescu(*ge_head[:20], options=["--abort"])
    scanner.pager.listen(3)
    assert scanner.pager.results == []
    assert scanner.storescu(*ge_head).returncode == 0
    scanner.pager.until_results(1)
    scanner.pager.listen(3)
    assert [(r.outcome, r.reason, r.instances, r.revision) for r in scanner.pager.results] == [
        ("no_finding", "released", 28, 1)
    ]


def test_a_slice_removed_from_the_middle_is_a_named_gap(
    appliance: Callable[..., Appliance], ge_head: list[Path]
) -> None:
    scanner = appliance(EDGE_COMPLETENESS__DEADLINE_S="6")
    assert scanner.storescu(*ge_head[:8], *ge_head[9:]).returncode == 0
    (result,) = scanner.pager.until_results(1)
    assert (result.outcome, result.reason) == ("incomplete", "gap")
    assert "8.0 mm" in result.detail


def test_a_late_slice_makes_a_revision_that_names_its_predecessor(
    appliance: Callable[..., Appliance], ge_head: list[Path]
) -> None:
    scanner = appliance()
    assert scanner.storescu(*ge_head[1:]).returncode == 0
    (first,) = scanner.pager.until_results(1)
    assert scanner.storescu(ge_head[0]).returncode == 0
    first, second = scanner.pager.until_results(2)
    assert (first.revision, first.predecessor) == (1, None)
    assert (second.revision, second.predecessor, second.instances) == (2, first.outcome_id, 28)
    assert second.outcome == "no_finding"
