"""What stands between a measurement and its table."""

from __future__ import annotations

import re

import pytest

from tests.bench.figures import markdown, percentile, spread
from tests.bench.readme import README, replaced
from tests.bench.receive import BARE, Point, medians


@pytest.mark.parametrize(("percent", "expected"), [(50, 10), (95, 19), (100, 20), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: int) -> None:
    assert percentile(list(range(20, 0, -1)), percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_a_percentile_of_nothing_or_beyond_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percent"):
        percentile(values, percent)


def test_a_spread_of_one_value_is_that_value() -> None:
    assert spread([0.25]) == {"n": 1, "p50": 0.25, "p95": 0.25, "max": 0.25}


def test_a_row_with_too_few_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells below 2 headings"):
        markdown(("name", "figure"), [["alone"]])


def test_a_ratio_is_the_median_of_the_ratios_of_each_round_under_as_many_senders() -> None:
    def rounds(peer: str, senders: int, *rates: float) -> list[Point]:
        return [Point(peer, senders, 16384, k, 100, 100 / rate, 0.5, None) for k, rate in enumerate(rates)]

    points = [
        *rounds("edge receive", 1, 100, 110, 30),
        *rounds("edge receive", 4, 80, 80, 80),
        *rounds("storescp", 1, 220, 200, 240),
        *rounds("storescp", 4, 800, 800, 800),
        *rounds(BARE, 1, 200, 110, 30),
        *rounds(BARE, 4, 400, 400, 400),
    ]
    found = {(row["peer"], row["senders"]): row for row in medians(points)}
    one = found["edge receive", 1]
    assert one["slices_per_s"] == pytest.approx(100)
    assert (one["slowest"], one["fastest"]) == (pytest.approx(30), pytest.approx(110))
    # Of the medians it would be 100 / 110.
    assert one[f"to {BARE}"] == pytest.approx(1.0)
    assert one["to storescp"] == pytest.approx(100 / 220)
    assert found["edge receive", 4]["to storescp"] == pytest.approx(0.1)
    assert one["cpu_s_per_1000"] == pytest.approx(5.0)
    assert one["peak_rss_mib"] is None


def test_only_the_part_between_its_markers_is_replaced() -> None:
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\nkept\n<!-- y: end -->\n"
    once = replaced(text, "x", r"new \1")
    assert once == text.replace("old", r"new \1")
    assert replaced(once, "x", "old") == text
    with pytest.raises(ValueError, match="z: begin"):
        replaced(text, "z", "new")


def test_the_page_has_a_place_for_each_table() -> None:
    places = re.findall(r"<!-- (\w+): begin -->", README.read_text())
    assert places == ["receive", "durable", "page_latency", "thin_slices", "ladder"]
