from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alert_ports import MessageSummary
from edge.domain.alert import AlertStatus
from edge.mqtt.drafts import AlertMessages, Progress, summarise
from edge.ports import OutboundMessage, PendingMessage, Receipt
from edge.postponed import alerts_first
from edge.publisher import LOOK_EVERY_S, Publisher
from edge.settings import Settings
from edge.telemetry.events import (
    AlertPublished,
    Happening,
    MessageExpired,
    MessagePublished,
    OutboxMeasured,
    PublishFailed,
    TaskFailed,
)
from tests.fakes.alert_channel import FakeAlertChannel, FakeBroker
from tests.fakes.clock import START, FakeClock
from tests.fakes.ledger import FakeLedger
from tests.statements import alert, outcome

SETTINGS = Settings()
MESSAGES = AlertMessages(SETTINGS)


@dataclass
class Room:
    """A publisher and all it touches, on a clock that stands still."""

    clock: FakeClock = field(default_factory=FakeClock)
    broker: FakeBroker = field(default_factory=FakeBroker)
    happenings: list[Happening] = field(default_factory=list)
    status: OutboundMessage | None = None

    def __post_init__(self) -> None:
        self.broker.subscribed = True
        self.ledger = FakeLedger(clock=self.clock)
        presence = MESSAGES.presence(self.clock)
        self.channel = FakeAlertChannel(self.broker, presence.online, presence.offline())
        self.publisher = self.publisher_with(self.heartbeat)
        self.broker.heard.clear()

    def publisher_with(self, heartbeat: Callable[[], OutboundMessage]) -> Publisher:
        return Publisher(
            self.ledger,
            self.channel,
            self.clock,
            self.happenings.append,
            SETTINGS.mqtt,
            summarise=summarise,
            heartbeat=heartbeat,
            status=lambda: self.status,
            jitter=lambda: 1.0,
        )

    def heartbeat(self) -> OutboundMessage:
        return MESSAGES.heartbeat(self.clock.utc(), Progress(0, 0, 0, 0, 0, None, "serving"))

    def raise_alert(self, alert_id: str, status: AlertStatus = AlertStatus.PRELIMINARY) -> None:
        said = replace(alert(status, alert_id=alert_id), series=replace(alert().series))
        self.ledger.alert(said, MESSAGES.alert(said))

    def settle(self, series: str) -> None:
        end = outcome(series)
        self.ledger.conclude(end, 1, [], MESSAGES.result(end))

    def heard(self) -> list[str]:
        return [m.key for m in self.broker.heard if not m.topic.endswith("heartbeat")]

    def of(self, kind: type[Happening]) -> list[Happening]:
        return [h for h in self.happenings if isinstance(h, kind)]


def test_everything_waiting_goes_out_once_and_is_marked() -> None:
    room = Room()
    room.raise_alert("a1")
    room.settle("1.2")
    room.publisher.turn()
    room.publisher.turn()
    assert room.heard() == ["a1:preliminary:0:5e71e5", "outcome-1.2-0"]
    assert room.ledger.receipts == {1: Receipt(0, True), 2: Receipt(0, True)}
    assert [h.kind for h in room.of(MessagePublished) if isinstance(h, MessagePublished)] == [
        "alert",
        "result",
    ]


def test_alerts_overtake_results_in_a_backlog_and_keep_their_own_order() -> None:
    room = Room()
    for n in range(3):
        room.settle(f"1.{n}")
    room.raise_alert("a1")
    room.raise_alert("a1", AlertStatus.CONFIRMED)
    room.publisher.turn()
    assert room.heard()[:2] == ["a1:preliminary:0:5e71e5", "a1:confirmed:0:5e71e5"]
    assert room.heard()[2:] == ["outcome-1.0-0", "outcome-1.1-0", "outcome-1.2-0"]


def test_an_alert_raised_while_results_drain_does_not_wait_for_their_end() -> None:
    room = Room()
    room.publisher.turn()
    for n in range(3):
        room.settle(f"1.{n}")
    publish = room.channel.publish

    def alert_meanwhile(message: OutboundMessage, timeout_s: float) -> Receipt:
        if message.key == "outcome-1.0-0":
            room.raise_alert("a1")
        return publish(message, timeout_s)

    room.channel.publish = alert_meanwhile  # type: ignore[method-assign]
    room.publisher.turn()
    room.publisher.turn()
    assert room.heard() == ["outcome-1.0-0", "a1:preliminary:0:5e71e5", "outcome-1.1-0", "outcome-1.2-0"]


def test_a_broker_that_is_away_loses_nothing_and_is_not_pestered() -> None:
    room = Room()
    room.raise_alert("a1")
    room.broker.up = False
    pauses = [room.publisher.turn() for _ in range(5)]
    assert pauses == sorted(pauses)
    assert 0.25 <= pauses[0] <= pauses[-1] == 2.0
    assert [h.attempt for h in room.of(PublishFailed) if isinstance(h, PublishFailed)] == [1, 2, 3, 4, 5]
    assert {h.reason for h in room.of(PublishFailed) if isinstance(h, PublishFailed)} == {"not_connected"}
    room.broker.up = True
    assert room.publisher.turn() == LOOK_EVERY_S
    assert room.heard() == ["a1:preliminary:0:5e71e5"]


def test_one_forbidden_topic_does_not_dam_up_the_others() -> None:
    room = Room()
    room.broker.refuses = {"edge/v1/edge-1/result": "not_authorized"}
    for n in range(600):
        room.settle(f"1.{n}")
    room.raise_alert("a1")
    for _ in range(4):
        room.publisher.turn()
    assert room.heard() == ["a1:preliminary:0:5e71e5"]
    room.raise_alert("a2")
    assert room.publisher.turn() == LOOK_EVERY_S
    assert room.heard() == ["a1:preliminary:0:5e71e5", "a2:preliminary:0:5e71e5"]
    room.broker.refuses = {}
    for _ in range(4):
        room.clock.advance(6)
        room.publisher.turn()
    assert len(room.heard()) == 602
    assert room.ledger.outbox_depth()[0] == 0


def test_an_alert_behind_a_dam_of_refused_results_is_found() -> None:
    room = Room()
    room.broker.refuses = {"edge/v1/edge-1/result": "not_authorized"}
    for n in range(600):
        room.settle(f"1.{n}")
    room.raise_alert("behind")
    for _ in range(3):
        room.publisher.turn()
    assert room.heard() == ["behind:preliminary:0:5e71e5"]


def test_a_message_older_than_its_expiry_alarms_once_and_is_sent_all_the_same() -> None:
    room = Room()
    room.raise_alert("a1")
    room.broker.up = False
    room.clock.advance(86400)
    room.publisher.turn()
    assert room.of(MessageExpired) == []
    room.clock.advance(1)
    room.publisher.turn()
    room.publisher.turn()
    assert room.of(MessageExpired) == [MessageExpired("alert", 86401.0)]
    room.broker.up = True
    room.publisher.turn()
    assert room.broker.heard[0].expiry_s == 86400


def test_ages_of_a_page_are_told_from_its_own_times() -> None:
    room = Room()
    room.raise_alert("a1")
    room.raise_alert("a1", AlertStatus.CONFIRMED)
    room.clock.advance(10.25)
    room.publisher.turn()
    assert room.of(AlertPublished) == [
        AlertPublished("a1", "preliminary", True, 10.0, 7.0, None),
        AlertPublished("a1", "confirmed", True, 10.0, 7.0, 3.0),
    ]


def test_a_page_nobody_listens_to_says_so() -> None:
    room = Room()
    room.broker.subscribed = False
    room.raise_alert("a1")
    room.publisher.turn()
    assert [h.subscribers for h in room.of(AlertPublished) if isinstance(h, AlertPublished)] == [False]
    assert room.ledger.receipts == {}
    assert room.ledger.nobody_heard == {1: Receipt(0x10, False)}


def offers(room: Room) -> list[float]:
    """Seconds at which the alert was offered, from now on for two minutes."""
    publish, begun = room.channel.publish, room.clock.monotonic()
    times: list[float] = []

    def timed(message: OutboundMessage, timeout_s: float) -> Receipt:
        if "/alert/" in message.topic:
            times.append(room.clock.monotonic() - begun)
        return publish(message, timeout_s)

    room.channel.publish = timed  # type: ignore[method-assign]
    for _ in range(120):
        room.publisher.turn()
        room.clock.advance(1)
    return times


def test_a_page_nobody_heard_is_offered_again_ever_more_slowly_and_told_once() -> None:
    room = Room()
    room.broker.subscribed = False
    room.raise_alert("a1")
    assert offers(room) == [0, 5, 15, 35, 65, 95]
    assert len(room.of(AlertPublished)) == 1
    assert room.of(MessagePublished) == []


def test_a_page_nobody_heard_before_it_expired_is_still_offered_every_five_minutes() -> None:
    room = Room()
    room.broker.subscribed = False
    room.raise_alert("a1")
    room.clock.advance(86401)
    assert offers(room) == [0]
    room.clock.advance(180)
    room.broker.subscribed = True
    room.publisher.turn()
    assert room.heard() == ["a1:preliminary:0:5e71e5"]
    assert len(room.of(MessageExpired)) == 1


def test_a_pager_that_is_back_gets_every_step_it_missed_in_order() -> None:
    room = Room()
    room.broker.subscribed = False
    for alert_id in ("a1", "a2"):
        room.raise_alert(alert_id)
    room.publisher.turn()
    for alert_id in ("a2", "a1"):
        room.raise_alert(alert_id, AlertStatus.CONFIRMED)
    room.publisher.turn()
    room.settle("1.2")
    room.publisher.turn()
    assert list(room.ledger.receipts) == [5], "a result does not wait for a subscriber"
    room.broker.subscribed = True
    room.clock.advance(5)
    room.publisher.turn()
    room.publisher.turn()
    assert room.heard() == [
        "a1:preliminary:0:5e71e5",
        "a2:preliminary:0:5e71e5",
        "a2:confirmed:0:5e71e5",
        "a1:confirmed:0:5e71e5",
    ]
    assert room.ledger.outbox_depth()[0] == 0


def test_once_one_page_is_heard_the_unheard_ones_go_out_at_once() -> None:
    room = Room()
    room.broker.subscribed = False
    room.raise_alert("a1")
    room.publisher.turn()
    room.broker.subscribed = True
    room.raise_alert("a2")
    room.publisher.turn()
    assert room.heard() == ["a2:preliminary:0:5e71e5"]
    room.publisher.turn()
    assert room.heard() == ["a2:preliminary:0:5e71e5", "a1:preliminary:0:5e71e5"]


def test_after_a_restart_an_unheard_page_is_offered_and_not_told_again() -> None:
    room = Room()
    room.broker.subscribed = False
    room.raise_alert("a1")
    room.publisher.turn()
    room.publisher = room.publisher_with(room.heartbeat)
    room.publisher.turn()
    assert len(room.of(AlertPublished)) == 1
    room.broker.subscribed = True
    room.publisher = room.publisher_with(room.heartbeat)
    room.publisher.turn()
    assert room.heard() == ["a1:preliminary:0:5e71e5"]


def test_no_step_of_an_alert_overtakes_one_that_was_refused() -> None:
    room = Room()
    room.raise_alert("a1")
    room.broker.refuses = {"edge/v1/edge-1/alert/critical": "quota_exceeded"}
    room.publisher.turn()
    room.broker.refuses = {}
    room.raise_alert("a1", AlertStatus.RETRACTED)
    room.raise_alert("a2")
    room.publisher.turn()
    assert room.heard() == ["a2:preliminary:0:5e71e5"]
    room.clock.advance(5)
    room.publisher.turn()
    assert room.heard() == ["a2:preliminary:0:5e71e5", "a1:preliminary:0:5e71e5", "a1:retracted:0:5e71e5"]


def test_a_status_that_was_refused_is_said_again() -> None:
    room = Room()
    room.status = MESSAGES.status("degraded", START, "triton_down")
    room.broker.refuses = {room.status.topic: "quota_exceeded"}
    for _ in range(3):
        room.publisher.turn()
    assert len(room.of(PublishFailed)) == 1
    room.broker.refuses = {}
    room.clock.advance(5)
    room.publisher.turn()
    assert [m.key for m in room.broker.heard if m.topic.endswith("status")] == [room.status.key]


def test_a_disk_that_will_not_take_the_mark_does_not_make_the_pager_ring_again() -> None:
    room = Room()
    room.raise_alert("a1")
    mark = room.ledger.published

    def full(*_: object) -> None:
        raise OSError("disk full")

    room.ledger.published = full  # type: ignore[assignment,method-assign]
    for _ in range(3):
        with pytest.raises(OSError, match="disk full"):
            room.publisher.turn()
    room.ledger.published = mark  # type: ignore[method-assign]
    room.publisher.turn()
    assert room.heard() == ["a1:preliminary:0:5e71e5"]
    assert room.ledger.outbox_depth()[0] == 0


def test_heartbeats_come_in_their_interval_and_alerts_before_them() -> None:
    room = Room()
    room.raise_alert("a1")
    for _ in range(21):
        room.publisher.turn()
        room.clock.advance(1)
    assert [m.topic.rsplit("/", 1)[1] for m in room.broker.heard] == ["critical"] + ["heartbeat"] * 3


def test_a_status_is_said_when_it_changes_only() -> None:
    room = Room()
    room.status = MESSAGES.status("degraded", START, "triton_down")
    room.publisher.turn()
    room.publisher.turn()
    room.status = MESSAGES.status("online", START)
    room.publisher.turn()
    said = [m.key for m in room.broker.heard if m.topic.endswith("status")]
    assert said == [f"edge-1:degraded:{START.isoformat()}", f"edge-1:online:{START.isoformat()}"]


def test_the_outbox_is_measured_at_every_look() -> None:
    room = Room()
    room.broker.up = False
    room.raise_alert("a1")
    room.clock.advance(30)
    room.publisher.turn()
    assert room.of(OutboxMeasured) == [OutboxMeasured(1, 30.0)]


def test_an_error_nobody_expected_is_told_and_pages_go_on() -> None:
    room = Room()
    said = threading.Event()

    def broken() -> OutboundMessage:
        said.set()
        raise ZeroDivisionError("no figures")

    room.raise_alert("a1")
    publisher = room.publisher_with(broken)
    thread = threading.Thread(target=publisher.run)
    thread.start()
    assert said.wait(5)
    publisher.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert room.heard() == ["a1:preliminary:0:5e71e5"]
    (told,) = {h.error for h in room.of(TaskFailed) if isinstance(h, TaskFailed)}
    assert told.startswith("ZeroDivisionError at test_publisher.py:")


@given(st.lists(st.sampled_from(["alert", "result", "unreadable"]), max_size=30))
def test_the_order_is_alerts_first_and_by_sequence_within(kinds: list[str]) -> None:
    summaries = {n: MessageSummary(kind, "a1" if kind == "alert" else "") for n, kind in enumerate(kinds)}
    message = OutboundMessage("k", "t", b"", "text/plain", 60)
    waiting = [PendingMessage(n, START, message) for n in summaries]
    order = [p.sequence for p in alerts_first(waiting, summaries)]
    alerts = [n for n, s in summaries.items() if s.kind == "alert"]
    assert order == alerts + [n for n in summaries if n not in alerts]


def test_a_test_page_that_nobody_hears_is_off_our_hands_and_counted_apart() -> None:
    """Otherwise a missing test pager would look like a page that is stuck."""
    room = Room()
    drill = alert()
    drill = replace(drill, series=replace(drill.series, test=True))
    room.ledger.alert(drill, MESSAGES.alert(drill))
    room.broker.subscribed = False
    room.clock.advance(7200)
    room.publisher.turn()
    assert room.ledger.outbox_depth()[0] == 0
    (published,) = [h for h in room.happenings if isinstance(h, MessagePublished)]
    assert (published.kind, published.subscribers) == ("test", False)
    assert [h for h in room.happenings if isinstance(h, AlertPublished | MessageExpired)] == []
