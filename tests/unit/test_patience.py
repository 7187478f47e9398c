"""Who is waited for and for how long: strangers by number, a peer's first words by ARTIM."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from edge.dicom.offer import Patience
from edge.dicom.pace import Pace
from edge.dicom.strangers import next_to_go

PATIENCE = Patience(artim_s=5.0, idle_s=60.0, association_s=1000.0, min_bytes_per_s=1024)


def test_what_a_peer_sends_gives_it_no_new_artim_time() -> None:
    pace = Pace(PATIENCE, now=0.0)
    assert pace.allowed_s(100.0, 1) == 5.0
    assert pace.allowed_s(104.5, 1) == 0.5
    assert pace.allowed_s(105.0, 1) == 0
    assert pace.allowed_s(107.0, 1) < 0


def test_another_start_of_artim_does() -> None:
    pace = Pace(PATIENCE, now=0.0)
    assert pace.allowed_s(100.0, 1) == 5.0
    assert pace.allowed_s(104.5, 2) == 5.0
    assert pace.allowed_s(105.0, 0) == 60.0
    assert pace.allowed_s(109.0, 3) == 5.0


def test_a_pause_between_two_messages_is_nobodys_slowness() -> None:
    pace = Pace(PATIENCE, now=0.0)
    assert pace.trouble(10.0, 5000, 0.1, busy=False) == ""
    assert pace.trouble(65.0, 138, 55.0, busy=True) == ""
    assert pace.trouble(65.1, 40000, 0.1, busy=False) == ""
    assert pace.trouble(120.0, 138, 54.9, busy=True) == ""


def test_a_pause_within_a_message_is() -> None:
    pace = Pace(PATIENCE, now=0.0)
    assert pace.trouble(55.0, 138, 55.0, busy=True) == ""
    assert pace.trouble(60.0, 1, 5.0, busy=True) == ""
    assert pace.trouble(65.5, 1, 5.5, busy=True) == "too_slow"


def test_messages_that_follow_without_a_gap_are_one_stretch() -> None:
    pace = Pace(PATIENCE, now=0.0)
    said = [pace.trouble(float(now), 100, 1.0, busy=True) for now in range(1, 13)]
    assert said == [""] * 11 + ["too_slow"]


def test_nobody_goes_where_nobody_is() -> None:
    assert next_to_go([]) is None


def test_the_oldest_goes_when_each_came_once() -> None:
    assert next_to_go([("a", True), ("b", True), ("c", True)]) == 0


def test_one_that_has_said_something_stays_longer_than_one_that_has_not() -> None:
    assert next_to_go([("a", True), ("a", False), ("a", False)]) == 1
    assert next_to_go([("a", True), ("a", True), ("a", False)]) == 0
    assert next_to_go([("a", True), ("a", True), ("b", False)]) == 0


def test_a_flood_costs_no_other_address_its_place() -> None:
    assert next_to_go([("a", False), ("b", False), ("flood", True), ("flood", True)]) == 2


@example([("b", True), ("a", True), ("a", True), ("a", False), ("b", False), ("b", False)])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1))
def test_who_goes_is_of_an_address_with_most_and_its_oldest(strangers: list[tuple[str, bool]]) -> None:
    place = next_to_go(strangers)
    assert place is not None
    gone, addresses = strangers[place], [address for address, _ in strangers]
    assert strangers.index(gone) == place
    assert all(addresses.count(gone[0]) >= addresses.count(other) for other in addresses)
    busiest = [said for address, said in strangers if addresses.count(address) == addresses.count(gone[0])]
    assert not gone[1] or all(busiest[: (len(busiest) + 1) // 2])
