"""Where a word on an alert goes, by who carries it, who was shown it and what holds pages back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.alert import Alert, AlertStatus, Route
from edge.domain.lifecycle import Stage
from edge.domain.study_alert import Ruling, Standing, Word, rule
from tests.statements import alert

PRELIMINARY, CONFIRMED = AlertStatus.PRELIMINARY, AlertStatus.CONFIRMED
RETRACTED, INCOMPLETE = AlertStatus.RETRACTED, AlertStatus.INCOMPLETE
HOUR = timedelta(hours=1)
SCAN = datetime(2024, 5, 1, 2, 50)  # noqa: DTZ001 - a scanner's clock has no zone
LATER = SCAN + timedelta(hours=5)


class Study:
    """Words said one after the other, each routed by what was said before."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.rulings: list[Ruling] = []
        self.stage: Stage | None = None
        self.exhausted = False

    def says(
        self, series: str, status: AlertStatus, *, hold: str = "", scan: datetime | None = None
    ) -> tuple[Route, str]:
        said = replace(alert(status, series=series), acquired_at=scan)
        ruling = self._rule(said, hold)
        self.rulings.append(ruling)
        self.words.append(Word(len(self.words) + 1, series, status, ruling.route, ruling.demoted, scan))
        return ruling.route, ruling.demoted

    def taken(self) -> None:
        """A human acknowledges the page that rings."""
        self.words[-1] = replace(self.words[-1], taken=True)
        self.stage = Stage.ACKNOWLEDGED

    def _rule(self, said: Alert, hold: str) -> Ruling:
        return rule(
            said, Standing(tuple(self.words), self.stage, len(self.words), self.exhausted), hold, HOUR
        )


def test_a_preliminary_page_is_upgraded_in_place() -> None:
    study = Study()
    assert study.says("a", PRELIMINARY) == (Route.PAGE, "")
    assert study.says("a", CONFIRMED, hold="budget") == (Route.UPDATE, "")
    assert [r.first for r in study.rulings] == [True, False]


def test_a_study_sent_again_under_new_series_pages_once() -> None:
    study = Study()
    study.says("a", PRELIMINARY)
    study.says("a", CONFIRMED)
    assert study.says("b", PRELIMINARY) == (Route.SILENT, "")
    assert study.says("b", CONFIRMED) == (Route.SILENT, "")


def test_a_stronger_word_of_another_series_amends_the_page() -> None:
    study = Study()
    study.says("a", INCOMPLETE)
    assert study.says("b", PRELIMINARY)[0] is Route.SILENT
    assert study.says("b", CONFIRMED)[0] is Route.UPDATE


def test_an_alert_stands_while_any_series_of_the_study_carries_it() -> None:
    study = Study()
    study.says("a", PRELIMINARY)
    study.says("b", PRELIMINARY)
    assert study.says("a", RETRACTED)[0] is Route.SILENT
    assert study.says("b", RETRACTED)[0] is Route.UPDATE
    assert study.says("c", PRELIMINARY)[0] is Route.PAGE, "taken back as a whole, so it rings anew"


def test_the_word_that_is_left_is_said_again_when_the_stronger_one_is_taken_back() -> None:
    study = Study()
    study.says("a", INCOMPLETE)
    study.says("b", CONFIRMED)
    study.says("b", RETRACTED)
    assert (study.rulings[-1].route, study.rulings[-1].restates) == (Route.SILENT, 1)


@pytest.mark.parametrize("stage", [Stage.ACKNOWLEDGED, Stage.CLOSED])
def test_what_a_human_has_taken_rings_again_only_for_another_examination(stage: Stage) -> None:
    for scan, route in (
        (SCAN + timedelta(minutes=50), Route.UPDATE),
        (SCAN - timedelta(days=2), Route.UPDATE),
        (None, Route.UPDATE),
        (SCAN + timedelta(minutes=70), Route.PAGE),
    ):
        study = Study()
        study.says("a", PRELIMINARY, scan=SCAN)
        study.stage = stage
        assert study.says("b", CONFIRMED, scan=scan)[0] is route, scan


def test_a_page_that_ran_out_rings_again_when_the_finding_is_said_again() -> None:
    study = Study()
    study.says("a", CONFIRMED)
    study.stage = Stage.EXPIRED
    assert study.says("b", CONFIRMED)[0] is Route.PAGE


def another_examination(*, taken: bool) -> Study:
    """A page is confirmed and taken by a human, or ran out; five hours later another rings."""
    study = Study()
    study.says("a", PRELIMINARY, scan=SCAN)
    if taken:
        study.taken()
    study.says("a", CONFIRMED, scan=SCAN)
    study.stage = Stage.ACKNOWLEDGED if taken else Stage.EXPIRED
    assert study.says("b", PRELIMINARY, scan=LATER)[0] is Route.PAGE
    study.stage = Stage.PUBLISHED
    return study


@pytest.mark.parametrize("taken", [True, False])
def test_the_page_of_another_examination_is_confirmed_although_the_earlier_one_was(taken: bool) -> None:
    study = another_examination(taken=taken)
    assert study.says("b", CONFIRMED, scan=LATER)[0] is Route.UPDATE
    assert study.says("c", CONFIRMED, scan=LATER)[0] is Route.SILENT, "that has been said of this one"


def test_the_page_of_another_examination_is_taken_back_although_the_earlier_one_stands() -> None:
    study = another_examination(taken=True)
    assert study.says("b", RETRACTED, scan=LATER)[0] is Route.UPDATE
    assert study.rulings[-1].restates is None


def test_two_series_of_another_examination_carry_its_page() -> None:
    study = another_examination(taken=True)
    study.says("c", PRELIMINARY, scan=LATER + timedelta(minutes=3))
    assert study.says("b", RETRACTED, scan=LATER)[0] is Route.SILENT
    assert study.says("c", RETRACTED, scan=LATER + timedelta(minutes=3))[0] is Route.UPDATE


def test_an_earlier_examination_that_no_human_has_taken_stands_and_is_said_again() -> None:
    study = another_examination(taken=False)
    assert study.says("b", RETRACTED, scan=LATER)[0] is Route.SILENT
    assert study.rulings[-1].restates == 2, "the page that rings names what was taken back"


def test_an_earlier_examination_takes_nothing_back_of_the_later_one() -> None:
    study = another_examination(taken=True)
    assert study.says("a", RETRACTED, scan=SCAN)[0] is Route.SILENT


def test_what_was_silent_in_an_examination_takes_nothing_back_of_a_page_that_never_was_its_own() -> None:
    study = Study()
    study.says("a", CONFIRMED, scan=SCAN)
    assert study.says("b", PRELIMINARY, scan=LATER)[0] is Route.SILENT
    study.taken()
    assert study.says("b", RETRACTED, scan=LATER)[0] is Route.SILENT


def test_another_examination_rings_again_where_the_last_step_was_rung_in_vain() -> None:
    for scan, hold, route in (
        (LATER, "", Route.PAGE),
        (SCAN, "", Route.SILENT),
        (LATER, "budget", Route.SILENT),  # what rings goes on ringing
    ):
        study = Study()
        study.says("a", CONFIRMED, scan=SCAN)
        study.stage, study.exhausted = Stage.PUBLISHED, True
        assert study.says("b", CONFIRMED, scan=scan, hold=hold)[0] is route


def test_a_held_finding_rings_with_the_next_word_that_nothing_holds_back() -> None:
    study = Study()
    assert study.says("a", PRELIMINARY, hold="maintenance") == (Route.WORKLIST, "maintenance")
    assert study.says("a", INCOMPLETE, hold="budget") == (Route.WORKLIST, "budget")
    assert study.says("b", PRELIMINARY, hold="budget") == (Route.SILENT, "")
    assert study.says("b", PRELIMINARY) == (Route.PAGE, "")
    assert [r.first for r in study.rulings] == [True, False, False, False]


@pytest.mark.parametrize("stage", [Stage.CLOSED, Stage.EXPIRED])
def test_what_is_held_back_after_an_earlier_page_rings_with_the_next_word_that_nothing_holds_back(
    stage: Stage,
) -> None:
    study = Study()
    study.says("a", CONFIRMED, scan=SCAN)
    study.stage = stage
    assert study.says("b", PRELIMINARY, hold="maintenance", scan=LATER) == (Route.WORKLIST, "maintenance")
    study.stage = Stage.DETECTED
    assert study.says("c", CONFIRMED, scan=LATER)[0] is Route.PAGE


def test_what_a_human_took_from_the_worklist_after_an_earlier_page_rings_nobody_anew() -> None:
    study = Study()
    study.says("a", PRELIMINARY, scan=SCAN)
    study.stage = Stage.CLOSED
    study.says("b", PRELIMINARY, hold="mute", scan=LATER)
    study.stage = Stage.ACKNOWLEDGED
    assert study.says("b", CONFIRMED, scan=LATER) == (Route.UPDATE, "mute")


def test_what_was_taken_from_the_worklist_is_amended_there() -> None:
    study = Study()
    study.says("a", PRELIMINARY, hold="mute")
    study.stage = Stage.ACKNOWLEDGED
    assert study.says("a", CONFIRMED) == (Route.UPDATE, "mute")


def test_a_held_finding_that_is_taken_back_is_taken_back_where_it_was_shown() -> None:
    study = Study()
    study.says("a", PRELIMINARY, hold="mute")
    assert study.says("a", RETRACTED) == (Route.UPDATE, "mute")


SAYINGS = st.tuples(st.sampled_from("abc"), st.sampled_from(AlertStatus), st.sampled_from(["", "mute"]))


@given(st.lists(SAYINGS, max_size=12))
def test_no_order_of_words_rings_twice_for_what_stands_or_hides_what_nobody_was_shown(
    said: list[tuple[str, AlertStatus, str]],
) -> None:
    study = Study()
    rang = shown = False
    carried: set[str] = set()
    for series, status, hold in said:
        if status is RETRACTED and series not in carried:
            continue  # a series takes back what it said alone
        route, _ = study.says(series, status, hold=hold)
        (carried.discard if status is RETRACTED else carried.add)(series)
        if route is Route.PAGE:
            assert not rang
        rang |= route is Route.PAGE
        shown |= route is not Route.SILENT
        if carried:
            assert shown, "somebody, or the worklist, was told"
            assert rang or hold or status is RETRACTED
        else:
            assert route is Route.UPDATE, "the whole alert is taken back, and that is told"
            rang = shown = False
