"""Which series give up their pixels: never one that is needed, and never more than it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.domain.retention import RetentionRules, StoredSeries, Verdict, Witnessed, judge

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RetentionRules(timedelta(days=30), timedelta(hours=2), target_free_bytes=1000)
SERIES = st.builds(
    StoredSeries,
    series_instance_uid=st.uuids().map(str),
    series_token=st.just("t"),
    settled_at=st.integers(0, 60 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
    finished=st.booleans(),
    alert_open=st.booleans(),
    size_bytes=st.integers(0, 400),
)


def by_wall(stored: list[StoredSeries], now: datetime = NOW) -> dict[str, timedelta]:
    return {s.series_instance_uid: now - s.settled_at for s in stored}


@given(st.lists(SERIES, max_size=12), st.integers(0, 2000))
def test_whatever_the_disk_says_nothing_goes_that_is_needed(stored: list[StoredSeries], free: int) -> None:
    found = judge(stored, RULES, by_wall(stored), free)
    assert sorted(s.series_instance_uid for s, _ in found) == sorted(s.series_instance_uid for s in stored)
    for series, verdict in found:
        if verdict.removes:
            assert series.finished
            assert not series.alert_open
            assert NOW - series.settled_at >= RULES.shortest
        elif verdict is Verdict.ROOM_LEFT:
            assert NOW - series.settled_at <= RULES.longest


@given(st.lists(SERIES, max_size=12), st.integers(0, 2000))
def test_space_takes_the_oldest_and_no_more_than_it_needs(stored: list[StoredSeries], free: int) -> None:
    found = judge(stored, RULES, by_wall(stored), free)
    early = [s for s, v in found if v is Verdict.SPACE]
    left = [s for s, v in found if v is Verdict.ROOM_LEFT]
    gone = free + sum(s.size_bytes for s, v in found if v.removes)
    if early:
        assert gone - early[-1].size_bytes < RULES.target_free_bytes
        assert all(s.settled_at <= kept.settled_at for s in early for kept in left)
    if left:
        assert gone >= RULES.target_free_bytes


def test_each_reason_has_its_word() -> None:
    def one(days: float, *, finished: bool = True, opened: bool = False) -> StoredSeries:
        return StoredSeries(str(days), "t", NOW - timedelta(days=days), finished, opened, 600)

    stored = [one(40), one(41, opened=True), one(42, finished=False), one(20), one(10), one(0.01)]
    assert [verdict for _, verdict in judge(stored, RULES, by_wall(stored), 0)] == [
        Verdict.UNFINISHED,
        Verdict.ALERT_OPEN,
        Verdict.AGE,
        Verdict.SPACE,
        Verdict.ROOM_LEFT,
        Verdict.RECENT,
    ]


def test_the_images_of_a_canary_go_at_once_whatever_the_rules_but_not_before_its_end() -> None:
    done = StoredSeries("1", "t", NOW, True, False, 10, test=True)
    under_way = StoredSeries("2", "t", NOW, False, False, 10, test=True)
    found = {
        series.series_instance_uid: verdict
        for series, verdict in judge([done, under_way], RULES, by_wall([done, under_way]), 0)
    }
    assert found == {"1": Verdict.TEST, "2": Verdict.UNFINISHED}


def test_while_the_clock_is_unsure_nothing_goes_by_age_and_the_space_is_seen_to() -> None:
    stored = [StoredSeries(str(d), "t", NOW - timedelta(days=d), True, False, 600) for d in (42, 41, 40, 20)]

    def said(free: int) -> list[Verdict]:
        return [verdict for _, verdict in judge(stored, RULES, by_wall(stored), free, sure=False)]

    unsure, space = Verdict.CLOCK_UNSURE, Verdict.SPACE
    assert said(1000) == [unsure, unsure, unsure, Verdict.ROOM_LEFT]
    assert said(0) == [space, space, unsure, Verdict.ROOM_LEFT]


def test_an_outcome_said_while_we_watch_is_as_old_as_we_know_it_wherever_the_clock_is_set() -> None:
    early = StoredSeries("1", "t", NOW - timedelta(days=29), True, False, 600)
    new = StoredSeries("2", "t", NOW, True, False, 600)
    watched = Witnessed().after([early], 0.0).after([early, new], 30.0)
    for set_to in (NOW + timedelta(days=400), NOW - timedelta(days=400)):
        ages = watched.ages([early, new], set_to, 3600.0)
        assert ages["2"] == timedelta(seconds=3570)
        assert ages["1"] == max(timedelta(hours=1), set_to - early.settled_at)
    assert watched.after([new], 60.0).since == {("2", NOW): 30.0}, "what is gone is forgotten"


def test_a_revision_is_as_old_as_its_own_outcome() -> None:
    first = StoredSeries("1", "t", NOW - timedelta(days=40), True, False, 600)
    again = StoredSeries("1", "t", NOW, True, False, 600)
    watched = Witnessed().after([first], 0.0).after([again], 30.0)
    assert watched.ages([again], NOW + timedelta(days=400), 60.0) == {"1": timedelta(seconds=30)}
