from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.telemetry.instruments import OTHER, Instruments, counter, gauge, histogram
from edge.telemetry.metrics import CATALOGUE
from edge.telemetry.metrics_page import page
from tests.architecture.source import ROOT

REASONS = counter("edge_tests_total", "By reason.", frozenset({"agent"}), ("reason",))
STATE = gauge("edge_state", "One-hot.", frozenset({"agent"}), ("state",), (("up",), ("down",)))
MEMBERS = gauge("edge_members", "A set.", frozenset({"agent"}))
TOOK = histogram("edge_took_seconds", "A duration.", frozenset({"agent"}))


def value(live: Instruments, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    return live.registry.get_sample_value(name, dict(labels or {}))


@pytest.mark.parametrize("word", ["calling_ae_title_not_recognized", "0xa700", "deadline_exceeded", ""])
def test_a_word_is_a_label(word: str) -> None:
    live = Instruments((), "agent")
    live.count(REASONS, reason=word)
    assert value(live, "edge_tests_total", {"reason": word}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "CT_ER_1",
        "192.0.2.17",
        "1.2.840.113619.2.5",
        "c0ffee0123456789abcdef01",
        "no answer: [Errno 111]",
        "x" * 80,
    ],
)
def test_titles_addresses_ids_and_free_text_are_counted_under_other(text: str) -> None:
    live = Instruments((), "agent")
    live.count(REASONS, reason=text)
    assert value(live, "edge_tests_total", {"reason": OTHER}) == 1


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), max_size=200))
def test_no_label_grows_without_bound_and_nothing_goes_uncounted(words: list[str]) -> None:
    live = Instruments((), "agent")
    for word in words:
        live.count(REASONS, reason=word)
    samples = [s for m in live.registry.collect() for s in m.samples if s.name == "edge_tests_total"]
    assert len(samples) <= 41
    assert sum(s.value for s in samples) == len(words)


def test_one_hot_leaves_exactly_one_state() -> None:
    live = Instruments((STATE,), "agent")
    assert value(live, "edge_state", {"state": "up"}) == 0
    live.one_hot(STATE, "up")
    live.one_hot(STATE, "down")
    assert [value(live, "edge_state", {"state": s}) for s in ("up", "down")] == [0, 1]


def test_members_count_once_however_often_they_join_or_leave() -> None:
    live = Instruments((), "agent")
    for act, member in ((live.join, "a"), (live.join, "a"), (live.join, "b"), (live.leave, "c")):
        act(MEMBERS, member)
    assert value(live, "edge_members") == 2
    live.leave(MEMBERS, "a")
    assert value(live, "edge_members") == 1


def test_a_clock_that_steps_back_does_not_break_a_histogram() -> None:
    live = Instruments((), "agent")
    live.observe(TOOK, -3.0)
    assert value(live, "edge_took_seconds_sum") == 0
    assert value(live, "edge_took_seconds_count") == 1


def test_a_role_shows_its_own_metrics_and_others_only_once_touched() -> None:
    live = Instruments((MEMBERS,), "receiver")
    assert value(live, "edge_members") is None
    live.join(MEMBERS, 1)
    assert value(live, "edge_members") == 1


def test_the_catalogue_follows_its_own_naming() -> None:
    units = {"histogram": r"_seconds$", "counter": r"_total$", "gauge": r"^edge_"}
    for metric in CATALOGUE:
        assert re.fullmatch(r"edge_[a-z]+(_[a-z]+)+", metric.name)
        assert re.search(units[metric.kind], metric.name), metric.name
        assert all(len(values) == len(metric.labels) for values in metric.preset)
    assert len({m.name for m in CATALOGUE}) == len(CATALOGUE)


def test_no_label_is_named_after_something_unbounded() -> None:
    words = {name for m in CATALOGUE for name in m.labels}
    assert not [
        w for w in words if re.search(r"ae|title|address|peer|uid|token|series|alert|detail|error", w)
    ]


def test_the_operators_page_is_current() -> None:
    assert (ROOT / "edge/telemetry/METRICS.md").read_text() == page()
