"""Budget, quiet and mutes on simulated days: a real ledger, a clock that tests move, and no broker."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from edge.alert_watch import AlertWatch
from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.domain.alert import Alert, AlertStatus
from edge.domain.lifecycle import Stage
from edge.domain.quiet import Quiet, QuietEvent, QuietKind
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.quiet_notices import NoticeMessages
from edge.ports import Receipt
from edge.quiet_watch import QuietWatch
from edge.settings import Settings
from edge.settings_alerting import AlertingSettings
from edge.spool.audit import verify
from edge.spool.identity_key import appliance_key
from edge.spool.ledger import SqliteLedger
from edge.spool.quiet_requests import QuietRequestFiles, leave
from edge.telemetry.events import Happening
from edge.telemetry.quiet_events import BudgetSpent, FindingReleased, QuietChanged, QuietMeasured
from tests.fakes.clock import FakeClock
from tests.statements import alert

BUDGET = 5
# Nobody is escalated to: that is shown in test_alert_register.py, and would only fill these days.
LONG_S = 1e6
SETTINGS = Settings(
    alerting=AlertingSettings(budget=BUDGET, deliver_s=LONG_S, offer_s=LONG_S, lifetime_s=LONG_S)
)
MESSAGES = AlertMessages(SETTINGS)
HEARD = Receipt(0, subscribers=True)


@dataclass
class Hospital:
    """The paging half of an appliance; the broker takes everything at once."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    happenings: list[Happening] = field(default_factory=list)
    sent: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.starts()

    def starts(self) -> None:
        rules = SETTINGS.alerting.rules
        self.ledger = SqliteLedger(self.folder, clock=self.clock, rules=rules)
        with self.ledger._writer.reading() as connection:
            connection.execute("PRAGMA synchronous = OFF")  # days of commits; power cuts are tested elsewhere
        self.quiet = QuietWatch(
            self.ledger.quiet,
            QuietRequestFiles(self.folder, self._unreadable),
            NoticeMessages(SETTINGS),
            rules,
            self.clock,
            self.happenings.append,
        )
        self.watch = AlertWatch(
            self.ledger.alerts, MESSAGES, SETTINGS.alerting, self.clock, self.happenings.append
        )

    def restarts(self) -> None:
        self.ledger.close()
        self.starts()

    def turns(self) -> None:
        for _ in range(2):  # what the second puts into the outbox, the first sees at the next look
            self.watch.turn()
            self.quiet.turn()
            for pending in self.ledger.pending(1000):
                self.ledger.published(pending.sequence, HEARD, self.clock.utc())
                topic = pending.message.topic.removeprefix("edge/v1/edge-1/")
                self.sent.append((topic, json.loads(pending.message.payload)))
        self.watch.turn()

    def waits(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.turns()

    def finds(
        self,
        name: str,
        status: AlertStatus = AlertStatus.PRELIMINARY,
        *,
        scanner: str = "CT_ER_1",
        series: str = "",
        revision: int = 0,
        test: bool = False,
    ) -> None:
        """A series of study `name` says so."""
        said = alert(status, alert_id=name, series=series or f"{name}.1", revision=revision)
        said = replace(said, series=replace(said.series, ae_title=scanner, test=test))
        self.says(said)

    def says(self, said: Alert) -> None:
        self.ledger.alert(said, MESSAGES.alert(said))
        self.turns()

    def asks(self, kind: QuietKind, minutes: float = 30, scanner: str = "", *, off: bool = False) -> None:
        self.asked += 1
        now = self.clock.utc()
        event, lasts = (QuietEvent.ENDED, 0.0) if off else (QuietEvent.BEGAN, minutes)
        until = now + timedelta(minutes=lasts)
        leave(self.folder, Quiet(f"{self.asked:04d}", event, kind, scanner, now, until, "tube", "ops"))
        self.turns()

    def acknowledges(self, name: str, answer: Answer = Answer.ACKNOWLEDGED) -> None:
        key = self.ledger.alerts.followed(name).said_key  # type: ignore[union-attr]
        said = Acknowledgement(name, key, answer, "stroke-team", "dr-7", self.clock.utc())
        self.ledger.alerts.acknowledge(said)
        self.turns()

    def rung(self) -> list[str]:
        """The alerts that rang a clinical role for the first time, in order."""
        return [
            str(m["alert_id"])
            for t, m in self.sent
            if t.startswith("alert/") and m["rings"] and not m["test"]
        ]

    def worklist(self) -> list[str]:
        return [f"{m['alert_id']} {m['demoted']}" for t, m in self.sent if t == "worklist"]

    def notices(self) -> list[str]:
        return [str(m["what"]) for t, m in self.sent if t == "notice"]

    def last_notice(self) -> tuple[object, object, str]:
        """How many it says were held back, how many of them ring, and its words for a person."""
        (*_, last) = [m for t, m in self.sent if t == "notice" and m["what"] == "quiet_ended"]
        return last["held"], last["rings"], str(last["text"])

    def told(self, kind: type[Happening]) -> list[Happening]:
        return [h for h in self.happenings if isinstance(h, kind)]

    def _unreadable(self, error: Exception) -> None:
        raise error


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    made = Hospital(tmp_path)
    yield made
    made.ledger.close()


def test_a_storm_of_a_hundred_positives_an_hour_rings_as_often_as_the_budget_and_drops_nothing(
    hospital: Hospital,
) -> None:
    names = [f"s{n:03d}" for n in range(100)]
    for name in names:
        hospital.finds(name)
        hospital.finds(name, AlertStatus.CONFIRMED)
        hospital.waits(36)
    rang = hospital.rung()
    assert rang == names[:BUDGET], "one page each, the upgrade in place counts for nothing"
    listed = Counter(hospital.worklist())
    assert set(listed) == {f"{name} budget" for name in names[BUDGET:]}
    assert hospital.notices() == ["budget_spent"], "staff are told at once, and once an hour"
    hospital.finds("after")
    assert hospital.rung()[-1] == "after", "the hour has passed for those that rang first"


def test_a_storm_that_lasts_all_day_rings_the_budget_every_hour_and_tells_of_it(hospital: Hospital) -> None:
    for n in range(8 * 12):
        hospital.finds(f"s{n:03d}", AlertStatus.CONFIRMED)
        hospital.waits(300)
    assert 8 * BUDGET <= len(hospital.rung()) <= 9 * BUDGET
    assert len(hospital.rung()) + len(set(hospital.worklist())) == 8 * 12
    assert 7 <= hospital.notices().count("budget_spent") <= 9
    assert len(hospital.told(BudgetSpent)) == hospital.notices().count("budget_spent")


def test_an_ordinary_day_never_meets_the_budget(hospital: Hospital) -> None:
    for n in range(24):
        for _ in range(2):
            hospital.finds(f"s{n}.{_}", AlertStatus.CONFIRMED)
        hospital.waits(3600)
    assert len(hospital.rung()) == 48
    assert hospital.notices() == []


def test_of_a_study_sent_again_a_day_later_nobody_is_rung(hospital: Hospital) -> None:
    hospital.finds("s1")
    hospital.finds("s1", AlertStatus.CONFIRMED)
    hospital.acknowledges("s1")
    hospital.acknowledges("s1", Answer.CLOSED)
    hospital.waits(86400)
    for series in ("s1.again", "s1.bone"):
        hospital.finds("s1", series=series)
        hospital.finds("s1", AlertStatus.CONFIRMED, series=series)
    assert hospital.rung() == ["s1"]


def test_the_weaker_word_is_said_again_when_the_series_that_said_more_takes_it_back(
    hospital: Hospital,
) -> None:
    hospital.finds("s1", AlertStatus.CONFIRMED)
    hospital.finds("s1", AlertStatus.INCOMPLETE, series="s1.2")
    hospital.finds("s1", AlertStatus.RETRACTED, revision=1)
    said = [(m["status"], m["rings"]) for t, m in hospital.sent if t == "alert/critical"]
    assert said == [("confirmed", True), ("incomplete", False)]
    hospital.finds("s1", AlertStatus.RETRACTED, series="s1.2", revision=1)
    assert hospital.sent[-1][1]["status"] == "retracted"


def test_maintenance_holds_findings_back_and_they_ring_when_it_is_over(hospital: Hospital) -> None:
    hospital.finds("before")
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.finds("before", AlertStatus.CONFIRMED)
    hospital.finds("real")
    hospital.finds("phantom")
    hospital.finds("seen")
    hospital.finds("gone")
    hospital.finds("phantom", AlertStatus.RETRACTED, revision=1)
    hospital.acknowledges("seen")
    assert hospital.rung() == ["before"]
    assert hospital.quiet.held == 2
    hospital.waits(29 * 60)
    assert hospital.rung() == ["before"]
    hospital.restarts()
    hospital.waits(61)
    assert hospital.rung() == ["before", "gone", "real"], "the newest first; nobody has taken them"
    assert hospital.notices() == ["quiet_began", "quiet_ended"]
    late = [m["held"] for t, m in hospital.sent if t == "alert/critical" and m["alert_id"] == "real"]
    assert late == ["maintenance"]
    followed = hospital.ledger.alerts.followed("real")
    assert followed is not None
    assert (followed.life.pages, followed.life.stage) == (True, Stage.PUBLISHED), (
        "and are followed as any page"
    )
    assert followed.life.due_at is not None
    (released, _) = hospital.told(FindingReleased)
    assert isinstance(released, FindingReleased)
    assert released.waited_s >= 1800


@pytest.mark.parametrize("taken", [False, True])
def test_what_is_held_stays_held_when_the_series_that_said_more_takes_it_back(
    hospital: Hospital, *, taken: bool
) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.finds("s1", AlertStatus.CONFIRMED)
    hospital.finds("s1", AlertStatus.INCOMPLETE, series="s1.2")
    if taken:
        hospital.acknowledges("s1")
    hospital.finds("s1", AlertStatus.RETRACTED, revision=1)
    assert hospital.worklist() == ["s1 maintenance"] * 2
    said = [(m["status"], m["rings"]) for t, m in hospital.sent if t == "worklist"]
    assert said == [("confirmed", False), ("incomplete", False)]
    assert hospital.quiet.held == (0 if taken else 1)
    hospital.waits(1801)
    assert hospital.rung() == ([] if taken else ["s1"])


def test_maintenance_may_be_ended_early_or_prolonged(hospital: Hospital) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.waits(1200)
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.finds("s1")
    hospital.waits(1200)
    assert hospital.rung() == []
    (*_, measured) = hospital.told(QuietMeasured)
    assert isinstance(measured, QuietMeasured)
    assert {k: lasted for k, _, lasted in measured.kinds}["maintenance"] == 2400
    hospital.asks(QuietKind.MAINTENANCE, off=True)
    assert hospital.rung() == ["s1"]
    hospital.asks(QuietKind.MAINTENANCE, off=True)
    changes = [h.change for h in hospital.told(QuietChanged) if isinstance(h, QuietChanged)]
    assert changes == ["began", "began", "ended"]


def test_what_maintenance_held_back_beyond_the_budget_stays_on_the_worklist_and_costs_no_fresh_page(
    hospital: Hospital,
) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 30)
    for n in range(BUDGET + 3):
        hospital.finds(f"s{n}")
    (began,) = [str(m["text"]) for t, m in hospital.sent if t == "notice"]
    assert began.endswith("the newest ring then, as many as the budget allows."), began
    hospital.waits(1801)
    assert hospital.rung() == [f"s{n}" for n in range(BUDGET + 2, 2, -1)]
    held, rings, text = hospital.last_notice()
    assert (held, rings) == (BUDGET + 3, BUDGET)
    assert "5 of them ring now, 3 are beyond the budget and ring nobody: look at the worklist." in text
    assert hospital.notices() == ["quiet_began", "quiet_ended", "budget_spent"]
    hospital.finds("fresh")
    assert hospital.rung()[-1] == "fresh"
    hospital.waits(7200)
    assert hospital.rung()[-1] == "fresh", "those stay where they are"


def test_a_mute_is_of_one_scanner_and_of_no_other(hospital: Hospital) -> None:
    hospital.asks(QuietKind.MUTE, 60, "CT_ER_1")
    hospital.finds("muted")
    hospital.finds("other", scanner="CT_ER_2")
    assert (hospital.rung(), hospital.worklist()) == (["other"], ["muted mute"])
    hospital.waits(3601)
    assert hospital.rung() == ["other", "muted"]


def test_a_finding_that_something_else_still_holds_back_waits_for_that_too(hospital: Hospital) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 10)
    hospital.asks(QuietKind.MUTE, 60, "CT_ER_1")
    hospital.finds("s1")
    hospital.waits(601)
    assert hospital.rung() == []
    assert hospital.last_notice()[:2] == (1, 0)
    assert "1 are held back by something else still." in hospital.last_notice()[2]
    hospital.waits(3000)
    assert hospital.rung() == ["s1"]
    assert hospital.last_notice()[:2] == (1, 1)


def test_what_a_test_held_back_beyond_the_budget_comes_to_the_worklist_that_the_notice_names(
    hospital: Hospital,
) -> None:
    hospital.asks(QuietKind.TEST, 30)
    assert "They are with the test pager;" in str(hospital.sent[-1][1]["text"])
    for n in range(BUDGET + 2):
        hospital.finds(f"s{n}")
    assert hospital.worklist() == []
    hospital.waits(1801)
    assert hospital.rung() == [f"s{n}" for n in range(BUDGET + 1, 1, -1)]
    assert hospital.worklist() == ["s1 budget", "s0 budget"], "only the tester's pager had them"
    assert [m["held"] for t, m in hospital.sent if t == "worklist"] == ["test", "test"]
    hospital.acknowledges("s1")
    followed = hospital.ledger.alerts.followed("s1")
    assert followed is not None
    assert followed.life.stage is Stage.ACKNOWLEDGED


def test_a_test_of_the_appliance_rings_the_tester_and_then_the_staff_unless_he_takes_it(
    hospital: Hospital,
) -> None:
    hospital.asks(QuietKind.TEST, 30)
    for name in ("phantom", "patient"):
        hospital.finds(name)
    rings = [
        (t, m["alert_id"], m["rings"]) for t, m in hospital.sent if t in ("test/alert", "alert/critical")
    ]
    assert rings == [("test/alert", "phantom", True), ("test/alert", "patient", True)]
    hospital.acknowledges("phantom", Answer.CLOSED)
    hospital.waits(1801)
    assert hospital.rung() == ["patient"]


def test_a_test_scanner_rings_the_test_topic_alone_whatever_happens(hospital: Hospital) -> None:
    for n in range(BUDGET + 2):
        hospital.finds(f"t{n}", test=True)
    hospital.waits(7200)
    assert {t for t, m in hospital.sent if m["kind"] == "alert"} == {"test/alert"}
    hospital.finds("s1")
    assert hospital.rung() == ["s1"], "tests cost no budget"


def test_a_clock_that_is_set_back_ends_quiet_rather_than_prolonging_it(hospital: Hospital) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.finds("s1")
    hospital.waits(-3600)
    assert hospital.rung() == ["s1"]


def test_a_clock_that_is_set_back_spends_no_budget_with_what_rang_later_than_now(hospital: Hospital) -> None:
    for n in range(BUDGET + 1):
        hospital.finds(f"s{n}")
    assert hospital.notices() == ["budget_spent"]
    hospital.waits(-86400)
    for n in range(BUDGET):
        hospital.finds(f"back{n}")
    assert hospital.rung() == [f"s{n}" for n in range(BUDGET)] + [f"back{n}" for n in range(BUDGET)]
    hospital.finds("beyond")
    for _ in range(5):
        hospital.waits(60)
    assert hospital.notices().count("budget_spent") == 2, "of the budget that is spent now, and once"


def test_a_clock_that_is_set_back_lets_what_was_held_ring_within_a_budget_of_its_own(
    hospital: Hospital,
) -> None:
    hospital.asks(QuietKind.MAINTENANCE, 30)
    for n in range(BUDGET):
        hospital.finds(f"s{n}")
    hospital.waits(1801)
    assert len(hospital.rung()) == BUDGET
    hospital.waits(-86400)
    hospital.asks(QuietKind.MAINTENANCE, 30)
    hospital.finds("held")
    hospital.waits(1801)
    assert hospital.rung()[-1] == "held"


def test_an_order_left_while_the_agent_was_away_counts_from_when_it_was_given(hospital: Hospital) -> None:
    now = hospital.clock.utc()
    until = now + timedelta(minutes=10)
    leave(hospital.folder, Quiet("x", QuietEvent.BEGAN, QuietKind.TEST, "", now, until, "tube", "ops"))
    hospital.waits(601)
    hospital.finds("s1")
    assert hospital.rung() == ["s1"]
    assert hospital.notices() == ["quiet_began", "quiet_ended"]


def test_who_asked_for_quiet_and_why_is_in_the_trail_and_nowhere_on_the_wire(hospital: Hospital) -> None:
    hospital.asks(QuietKind.MUTE, 10, "CT_ER_1")
    hospital.waits(601)
    with closing(sqlite3.connect(hospital.folder / "ledger.db")) as connection:
        rows = connection.execute("SELECT what, detail FROM trail WHERE what LIKE 'quiet_%'").fetchall()
        assert verify(connection, hospital.folder, appliance_key(hospital.folder)).broken == ""
    assert [what for what, _ in rows] == ["quiet_began", "quiet_expired"]
    said = json.loads(rows[0][1])
    assert (said["scanner"], said["reason"], said["asked_by"]) == ("CT_ER_1", "tube", "ops")
    assert "tube" not in json.dumps(hospital.sent)


def test_a_request_that_is_none_is_set_aside_and_told_once(hospital: Hospital, tmp_path: Path) -> None:
    hospital.asks(QuietKind.TEST, off=True)
    (tmp_path / "quiet" / "odd.json").write_text('{"kind": "holiday"}')
    told: list[Exception] = []
    files = QuietRequestFiles(tmp_path, told.append)
    assert [files.waiting(), files.waiting()] == [[], []]
    assert len(told) == 1
