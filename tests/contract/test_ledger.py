"""ports.Ledger, on SQLite files and on the fake of the pipeline's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.domain.alert import Alert, AlertStatus
from edge.domain.identity import SeriesInstanceUID
from edge.domain.outcome import Outcome, OutcomeKind
from edge.domain.reconstruction import Acquisition, Choice, Reason, Reconstruction, Standing
from edge.domain.study_alert import Raised
from edge.ports import Conclusion, Ledger, OutboundMessage, Receipt
from edge.spool.ledger import SqliteLedger
from tests.fakes.clock import START, FakeClock
from tests.fakes.ledger import FakeLedger
from tests.statements import (
    AT,
    FailingDraft,
    PlainDraft,
    alert,
    alert_draft,
    outcome,
    reference,
    result_draft,
)

PUBACK = Receipt(reason_code=0, subscribers=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "fake"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    if request.param == "fake":
        yield FakeLedger(clock=clock)
        return
    disk = SqliteLedger(tmp_path, clock=clock)
    yield disk
    disk.close()


def say(ledger: Ledger, said: Alert) -> Raised | None:
    return ledger.alert(said, alert_draft(said))


def conclude(ledger: Ledger, *last_words: Alert, series: str = "1.2.3", revision: int = 0) -> bool:
    end = outcome(series, revision)
    drafts = [(said, alert_draft(said)) for said in last_words]
    return ledger.conclude(end, 40 + revision, drafts, result_draft(end)) is not None


def keys(ledger: Ledger) -> list[str]:
    return [pending.message.key for pending in ledger.pending(100)]


def sequences(ledger: Ledger) -> list[int]:
    return [pending.sequence for pending in ledger.pending(100)]


def test_an_alert_is_raised_once_per_id_status_and_revision(ledger: Ledger) -> None:
    assert say(ledger, alert())
    assert not say(ledger, alert())
    assert say(ledger, alert(AlertStatus.CONFIRMED))
    assert say(ledger, alert(revision=1))
    assert say(ledger, alert(alert_id="a2"))
    assert keys(ledger) == ["a1:preliminary:0", "a1:confirmed:0", "a1:preliminary:1", "a2:preliminary:0"]


def test_a_message_comes_back_as_it_was_encoded_with_its_sequence(ledger: Ledger, clock: FakeClock) -> None:
    clock.advance(12.5)
    say(ledger, alert())
    (pending,) = ledger.pending(1)
    assert pending.message == OutboundMessage(
        "a1:preliminary:0", "edge/v1/alert", b"1", "text/plain", 60, "edge/v1/ack"
    )
    assert pending.enqueued_at == clock.utc()


def test_the_sequence_has_no_gap_after_repeats_and_failures(ledger: Ledger) -> None:
    say(ledger, alert())
    say(ledger, alert())
    with pytest.raises(ValueError, match="no words"):
        ledger.alert(alert(alert_id="a2"), FailingDraft("a2"))
    with pytest.raises(ValueError, match="no words"):
        ledger.conclude(outcome(), 40, [(alert(alert_id="a2"), PlainDraft("a2"))], FailingDraft("r2"))
    assert ledger.conclude(outcome(), 40, [(alert(), PlainDraft("a1"))], PlainDraft("r1")) is not None
    assert sequences(ledger) == [1, 2]
    assert [pending.message.payload for pending in ledger.pending(100)] == [b"1", b"2"]


def test_an_alert_that_could_not_be_written_may_be_raised_again(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="no words"):
        ledger.alert(alert(), FailingDraft("a1:preliminary:0"))
    assert ledger.paged_alerts("1.2.3", 0) == frozenset()
    assert say(ledger, alert())


def test_a_series_revision_is_concluded_exactly_once(ledger: Ledger) -> None:
    assert conclude(ledger, alert(AlertStatus.CONFIRMED))
    other = outcome(kind=OutcomeKind.NO_FINDING)
    again = [(alert(AlertStatus.RETRACTED), PlainDraft("retracted"))]
    assert ledger.conclude(other, 99, again, PlainDraft("other")) is None
    assert ledger.conclusions() == {
        "1.2.3": Conclusion("outcome-1.2.3-0", 0, 40, OutcomeKind.FINDING, "released")
    }
    assert keys(ledger) == ["a1:confirmed:0", "outcome-1.2.3-0"]
    assert ledger.paged_alerts("1.2.3", 0) == {"a1"}


def test_a_conclusion_that_cannot_be_written_leaves_nothing(ledger: Ledger) -> None:
    said = alert(AlertStatus.CONFIRMED)
    with pytest.raises(ValueError, match="no words"):
        ledger.conclude(outcome(), 40, [(said, alert_draft(said))], FailingDraft("result"))
    assert ledger.conclusions() == {}
    assert ledger.paged_alerts("1.2.3", 0) == frozenset()
    assert ledger.outbox_depth() == (0, None)
    assert conclude(ledger, said)


def test_a_conclusion_does_not_repeat_an_alert_that_was_raised(ledger: Ledger) -> None:
    said = alert(AlertStatus.INCOMPLETE)
    say(ledger, said)
    assert conclude(ledger, said)
    assert keys(ledger) == ["a1:incomplete:0", "outcome-1.2.3-0"]


def test_the_conclusion_of_a_series_is_its_latest_revision(ledger: Ledger) -> None:
    for revision in (0, 1, 2):
        conclude(ledger, revision=revision)
    conclude(ledger, series="1.2.4")
    assert ledger.conclusions() == {
        "1.2.3": Conclusion("outcome-1.2.3-2", 2, 42, OutcomeKind.FINDING, "released"),
        "1.2.4": Conclusion("outcome-1.2.4-0", 0, 40, OutcomeKind.FINDING, "released"),
    }


RAYS = Acquisition("1.9", frozenset({"1.7"}), frozenset({2, 3}), "20240501030000", "20240501030010", (0, 150))


def made(series: str, study: str, kind: OutcomeKind, *, revision: int = 0, gave_way_to: str = "") -> Outcome:
    """The outcome of one reconstruction; its series token is `t` and the series."""
    said = outcome(series, revision, kind=kind)
    where = replace(said.series, study_token=study, series_token=f"t{series}")
    mine = Reconstruction(SeriesInstanceUID(series), f"t{series}", RAYS, (0.0, 1.5))
    if not gave_way_to:
        return replace(said, series=where, reconstruction=mine)
    choice = Choice(f"t{gave_way_to}", Reason.PREFERRED, (f"t{series}",))
    return replace(said, series=where, reconstruction=mine, choice=choice, reason="other_reconstruction")


def test_reconstructions_of_a_study_are_told_by_their_latest_outcomes(ledger: Ledger) -> None:
    assert list(ledger.reconstructions("study")) == []
    ledger.conclude(made("1.1", "study", OutcomeKind.NO_FINDING), 40, [], None)
    ledger.conclude(made("1.2", "study", OutcomeKind.NO_FINDING), 41, [], None)
    ledger.conclude(made("1.2", "study", OutcomeKind.INCOMPLETE, revision=1), 42, [], None)
    ledger.conclude(made("1.3", "study", OutcomeKind.FINDING), 43, [], None)
    ledger.conclude(made("1.4", "another", OutcomeKind.FINDING), 44, [], None)
    ledger.conclude(
        replace(outcome("1.5"), series=replace(reference("1.5"), study_token="study")), 45, [], None
    )
    assert list(ledger.reconstructions("study")) == [
        Reconstruction(SeriesInstanceUID("1.1"), "t1.1", RAYS, (0.0, 1.5), Standing.WHOLE),
        Reconstruction(SeriesInstanceUID("1.2"), "t1.2", RAYS, (0.0, 1.5), Standing.OUT),
        Reconstruction(SeriesInstanceUID("1.3"), "t1.3", RAYS, (0.0, 1.5), Standing.FOUND),
    ]


def test_a_reconstruction_says_whether_it_is_a_test(ledger: Ledger) -> None:
    said = made("1.1", "study", OutcomeKind.NO_FINDING)
    assert said.reconstruction is not None
    drill = replace(
        said,
        series=replace(said.series, test=True),
        reconstruction=replace(said.reconstruction, test=True),
    )
    ledger.conclude(drill, 40, [], None)
    assert [r.test for r in ledger.reconstructions("study")] == [True]


def test_who_gave_way_to_one_that_says_nothing_is_found(ledger: Ledger) -> None:
    gone = OutcomeKind.NOT_ELIGIBLE
    ledger.conclude(made("1.2", "study", gone, gave_way_to="1.1"), 40, [], None)
    assert ledger.unspoken() == {}  # the chosen one is still under way
    ledger.conclude(made("1.1", "study", OutcomeKind.NO_FINDING), 41, [], None)
    assert ledger.unspoken() == {}
    ledger.conclude(made("1.1", "study", OutcomeKind.INCOMPLETE, revision=1), 42, [], None)
    assert ledger.unspoken() == ledger.unspoken("1.1") == ledger.unspoken("1.2") == {"1.2": "1.1"}
    assert ledger.unspoken("1.3") == {}
    ledger.conclude(made("1.1", "study", gone, revision=2, gave_way_to="1.3"), 43, [], None)
    assert ledger.unspoken() == {}  # a third speaks for all three
    ledger.conclude(made("1.1", "study", OutcomeKind.FAILED, revision=3), 44, [], None)
    ledger.conclude(made("1.2", "study", OutcomeKind.NO_FINDING, revision=1), 45, [], None)
    assert ledger.unspoken() == {}


def test_an_incomplete_conclusion_says_so(ledger: Ledger) -> None:
    ledger.conclude(outcome(kind=OutcomeKind.INCOMPLETE), 40, [], None)
    assert ledger.conclusions()["1.2.3"].incomplete


def test_a_conclusion_says_whether_its_series_was_incomplete(ledger: Ledger) -> None:
    for revision, kind in enumerate([OutcomeKind.INCOMPLETE, OutcomeKind.NO_FINDING]):
        ledger.conclude(outcome(revision=revision, kind=kind), 40, [], None)
        assert ledger.conclusions()["1.2.3"].incomplete is (kind is OutcomeKind.INCOMPLETE)


@pytest.mark.parametrize("status", [AlertStatus.PRELIMINARY, AlertStatus.CONFIRMED, AlertStatus.INCOMPLETE])
def test_a_revision_inherits_the_open_pages_of_its_predecessors(ledger: Ledger, status: AlertStatus) -> None:
    say(ledger, alert(status))
    assert ledger.paged_alerts("1.2.3", 0) == {"a1"}
    assert ledger.paged_alerts("1.2.3", 2) == {"a1"}
    assert ledger.paged_alerts("1.2.4", 2) == frozenset()


def test_a_retraction_closes_a_page_until_it_is_paged_again(ledger: Ledger) -> None:
    say(ledger, alert())
    say(ledger, alert(alert_id="a2"))
    conclude(ledger, alert(AlertStatus.RETRACTED))
    assert ledger.paged_alerts("1.2.3", 0) == {"a2"}
    say(ledger, alert(revision=1))
    assert ledger.paged_alerts("1.2.3", 1) == {"a1", "a2"}
    assert ledger.paged_alerts("1.2.3", 0) == {"a2"}


def test_pending_messages_come_in_order_until_they_are_published(ledger: Ledger) -> None:
    for name in ("a1", "a2", "a3"):
        say(ledger, alert(alert_id=name))
    ledger.published(2, PUBACK, AT)
    assert sequences(ledger) == [1, 3]
    assert [pending.sequence for pending in ledger.pending(1)] == [1]
    ledger.published(1, Receipt(reason_code=0x10, subscribers=False), AT)
    ledger.published(1, PUBACK, AT)
    assert sequences(ledger) == [3]


def test_a_message_nobody_heard_stays_pending_and_says_so(ledger: Ledger) -> None:
    say(ledger, alert())
    assert [p.unheard for p in ledger.pending(10)] == [False]
    ledger.unheard(1, Receipt(reason_code=0x10, subscribers=False))
    assert [p.unheard for p in ledger.pending(10)] == [True]
    ledger.published(1, PUBACK, AT)
    ledger.unheard(1, Receipt(reason_code=0x10, subscribers=False))
    assert sequences(ledger) == []


def test_a_published_message_is_not_enqueued_again(ledger: Ledger) -> None:
    conclude(ledger)
    ledger.published(1, PUBACK, AT)
    ledger.conclude(outcome(revision=1), 41, [], result_draft(outcome()))
    assert ledger.outbox_depth() == (0, None)


def test_the_depth_tells_how_long_the_oldest_waits(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.outbox_depth() == (0, None)
    say(ledger, alert())
    clock.advance(30)
    say(ledger, alert(alert_id="a2"))
    assert ledger.outbox_depth() == (2, START)
    ledger.published(1, PUBACK, AT)
    assert ledger.outbox_depth() == (1, clock.utc())


def test_whoever_is_woken_finds_the_message_and_may_mark_it(ledger: Ledger) -> None:
    seen: list[list[int]] = []

    def wake() -> None:
        seen.append(sequences(ledger))
        for pending in ledger.pending(100):
            ledger.published(pending.sequence, PUBACK, AT)

    ledger.on_enqueued(wake)
    say(ledger, alert())
    say(ledger, alert())
    conclude(ledger, alert(AlertStatus.CONFIRMED))
    conclude(ledger)
    assert seen == [[1], [2, 3]]


def test_instances_keep_the_series_they_were_last_found_in(ledger: Ledger) -> None:
    ledger.remember_instance(7, "1.2.3")
    ledger.remember_instance(9, "1.2.4")
    ledger.remember_instance(7, "1.2.5")
    assert ledger.series_of_instances() == {7: "1.2.5", 9: "1.2.4"}


def test_instances_are_found_by_sequence_and_by_series(ledger: Ledger) -> None:
    for sequence, series in ((3, "1.2.3"), (5, "1.2.4"), (9, "1.2.3"), (7, "1.2.3"), (5, "1.2.3")):
        ledger.remember_instance(sequence, series)
    assert ledger.series_of_instances(7) == {7: "1.2.3", 9: "1.2.3"}
    assert (ledger.series_of(5), ledger.series_of(6)) == ("1.2.3", None)
    assert list(ledger.sequences_of("1.2.3")) == [3, 5, 7, 9]
    assert list(ledger.sequences_of("1.2.4")) == []


def test_work_begins_at_the_first_instance_beyond_the_conclusion_of_its_series(ledger: Ledger) -> None:
    assert ledger.first_unconcluded() == 1
    for sequence, series in ((10, "1.2.3"), (20, "1.2.4"), (40, "1.2.3"), (41, "1.2.3")):
        ledger.remember_instance(sequence, series)
    assert ledger.first_unconcluded() == 10
    conclude(ledger)
    assert ledger.first_unconcluded() == 20
    conclude(ledger, series="1.2.4")
    assert ledger.first_unconcluded() == 41
    conclude(ledger, revision=1)
    assert ledger.first_unconcluded() == 42


def test_of_many_threads_one_concludes_and_sequences_stay_whole(ledger: Ledger) -> None:
    won: list[bool] = []
    start = threading.Barrier(8)

    def agent(number: int) -> None:
        start.wait()
        for revision in range(5):
            say(ledger, alert(alert_id=f"a{number}", revision=revision))
            won.append(conclude(ledger, revision=revision))

    threads = [threading.Thread(target=agent, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(won) == 5
    assert sequences(ledger) == list(range(1, 8 * 5 + 5 + 1))


def test_one_series_is_asked_about_without_reading_all(ledger: Ledger) -> None:
    for sequence, series in ((3, "1.2.3"), (5, "1.2.3"), (7, "1.2.4")):
        ledger.remember_instance(sequence, series)
    assert ledger.series_among([3, 4, 7]) == {3: "1.2.3", 7: "1.2.4"}
    assert ledger.conclusion_of("1.2.3") is None
    for revision in (0, 1):
        conclude(ledger, revision=revision)
    assert ledger.conclusion_of("1.2.3") == ledger.conclusions()["1.2.3"]
    lost = replace(outcome("1.2.4", kind=OutcomeKind.FAILED), reason="unreadable_instance", instances=1)
    assert list(ledger.lost_alone(9)) == []
    ledger.conclude(lost, 7, [], None)
    assert list(ledger.lost_alone(9)) == [7]


def test_where_to_read_on_never_goes_back(ledger: Ledger) -> None:
    assert ledger.read_on_from() == 0
    for sequence in (7, 3, 9):
        ledger.note_read_on(sequence)
    assert ledger.read_on_from() == 9
