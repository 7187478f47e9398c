"""When a pager says that no page could come, and when that is over."""

from __future__ import annotations

from datetime import datetime

from edge.lifeline import GRACE_S, REMIND_S, Lifeline
from edge.mqtt.message import ANY_MESSAGE, EdgeMessage
from tests.statements import AT


def status(said: str, since: datetime | None = AT) -> EdgeMessage:
    words = {"kind": "status", "appliance": "edge-1", "status": said, "since": since, "version": "1"}
    return ANY_MESSAGE.validate_python(words)


def heartbeat() -> EdgeMessage:
    counts = ("journal_sequence", "slices_decoded", "slabs_inferred", "series_open", "outbox_depth")
    words = {
        "kind": "heartbeat",
        "appliance": "edge-1",
        "at": AT,
        "last_outcome_age_s": None,
        "triton": "serving",
    }
    return ANY_MESSAGE.validate_python({**words, **dict.fromkeys(counts, 0)})


def told(line: Lifeline, now: float, *, connected: bool = True) -> list[tuple[str, bool]]:
    return [(word.text, word.alarm) for word in line.look(connected=connected, now=now)]


def known() -> Lifeline:
    line = Lifeline(10, 0)
    line.heard(status("online"), 0)
    return line


CUT = [("CUT OFF from the broker: no page can come", True)]
BACK = [("the broker is there again", False)]
OFFLINE = [("edge-1 is OFFLINE: it pages nobody", True)]
OVERDUE = [("no heartbeat of edge-1 for 30 s: it may page nobody", True)]
THERE = [("edge-1 is there again", False)]


def test_a_lost_broker_is_told_after_a_grace_again_for_as_long_as_it_lasts_and_when_it_is_back() -> None:
    line = known()
    assert told(line, 1, connected=False) == []
    assert told(line, 1 + GRACE_S, connected=False) == []
    assert told(line, 2 + GRACE_S, connected=False) == CUT
    assert told(line, 3 + GRACE_S, connected=False) == []
    assert told(line, 2 + GRACE_S + REMIND_S, connected=False) == CUT
    assert told(line, 1000) == BACK
    assert told(line, 1030) == [], "beats are due from the new connection on"
    assert told(line, 1031) == OVERDUE


def test_a_broker_that_is_back_at_once_is_not_worth_a_word() -> None:
    line = known()
    assert told(line, 1, connected=False) == []
    assert told(line, 2) == []
    assert told(line, 2 + GRACE_S, connected=False) == []


def test_an_appliance_that_is_offline_is_told_until_it_says_that_it_is_not() -> None:
    line = known()
    line.heard(status("offline", None), 1)
    assert told(line, 1) == OFFLINE
    assert told(line, 200) == [], "nobody waits for its heartbeat"
    line.heard(status("degraded"), 201)
    assert told(line, 201) == THERE
    assert told(line, 232) == OVERDUE


def test_an_overdue_heartbeat_is_over_with_the_next_one_and_not_with_a_new_connection() -> None:
    line = known()
    assert told(line, 30) == []
    assert told(line, 31) == OVERDUE
    assert told(line, 32, connected=False) == []
    assert told(line, 33) == []
    line.heard(status("degraded"), 34)
    assert told(line, 34) == []
    line.heard(heartbeat(), 35)
    assert told(line, 35) == THERE


def test_one_that_goes_offline_while_overdue_is_told_as_that() -> None:
    line = known()
    assert told(line, 31) == OVERDUE
    line.heard(status("offline", None), 32)
    assert told(line, 32) == OFFLINE


def test_a_pager_below_a_prefix_of_nobody_says_so() -> None:
    line = Lifeline(10, 0)
    assert told(line, 30) == []
    assert told(line, 31) == [("no appliance has been heard of: nobody pages here", True)]
    line.heard(heartbeat(), 32)
    assert told(line, 32) == [("an appliance is there again", False)]
