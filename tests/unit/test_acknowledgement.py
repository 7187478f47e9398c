"""Every order in which paho's thread and the publishing thread may meet; no thread is needed to show it."""

from __future__ import annotations

import pytest

from edge.errors import RetryPeer
from edge.mqtt.acknowledgement import Acknowledgements
from edge.mqtt.reason import ReasonCode, connect_failure

SUCCESS = ReasonCode(0, "success")
NOBODY = ReasonCode(16, "no_matching_subscribers")


def connected() -> tuple[Acknowledgements, int]:
    acknowledgements = Acknowledgements()
    acknowledgements.connected()
    return acknowledgements, acknowledgements.await_connection(0)


def test_a_puback_that_comes_before_the_identifier_is_known_counts() -> None:
    acknowledgements, connection = connected()
    acknowledgements.about_to_send()
    acknowledgements.came(1, NOBODY)
    acknowledgements.sent("key", 1, connection)
    assert acknowledgements.await_puback("key", connection, 0) == NOBODY


def test_a_late_puback_answers_the_next_attempt_of_the_same_message() -> None:
    acknowledgements, connection = connected()
    acknowledgements.sent("key", 1, connection)
    with pytest.raises(RetryPeer, match="puback_timeout"):
        acknowledgements.await_puback("key", connection, 0)
    assert acknowledgements.in_flight_s("key") is not None
    acknowledgements.came(1, SUCCESS)
    assert acknowledgements.await_puback("key", connection, 0) == SUCCESS
    assert acknowledgements.in_flight_s("key") is None


def test_an_old_puback_does_not_answer_the_next_message_with_its_identifier() -> None:
    acknowledgements, connection = connected()
    acknowledgements.sent("heartbeat nobody asks for again", 1, connection)
    acknowledgements.came(1, SUCCESS)
    acknowledgements.came(2, SUCCESS)
    for identifier, key in ((1, "alert"), (2, "result")):
        acknowledgements.about_to_send()
        acknowledgements.sent(key, identifier, connection)
        with pytest.raises(RetryPeer, match="puback_timeout"):
            acknowledgements.await_puback(key, connection, 0)


def test_a_puback_just_before_the_connection_breaks_still_counts() -> None:
    acknowledgements, connection = connected()
    acknowledgements.sent("key", 1, connection)
    acknowledgements.came(1, SUCCESS)
    assert acknowledgements.lost()
    assert acknowledgements.await_puback("key", connection, 0) == SUCCESS


def test_a_broken_connection_ends_the_wait_at_once_and_forgets_at_the_next() -> None:
    acknowledgements, connection = connected()
    acknowledgements.sent("key", 1, connection)
    acknowledgements.lost()
    with pytest.raises(RetryPeer, match="connection_lost"):
        acknowledgements.await_puback("key", connection, 60)
    acknowledgements.connected()
    assert acknowledgements.in_flight_s("key") is None


def test_what_was_sent_to_a_connection_that_is_gone_is_not_waited_for_on_the_next() -> None:
    acknowledgements, connection = connected()
    acknowledgements.lost()
    with pytest.raises(RetryPeer, match="connection_lost"):
        acknowledgements.sent("key", 1, connection)
    acknowledgements.connected()
    with pytest.raises(RetryPeer, match="connection_lost"):
        acknowledgements.sent("key", 1, connection)
    assert acknowledgements.in_flight_s("key") is None


def test_without_a_connection_and_after_close_nobody_waits() -> None:
    acknowledgements = Acknowledgements()
    with pytest.raises(RetryPeer, match="not_connected"):
        acknowledgements.await_connection(0)
    acknowledgements.close()
    with pytest.raises(RetryPeer, match="not_connected"):
        acknowledgements.await_connection(60)


def test_only_the_first_loss_is_one() -> None:
    acknowledgements, _ = connected()
    assert [acknowledgements.lost(), acknowledgements.lost()] == [True, False]


def test_reasons_are_labels() -> None:
    assert ReasonCode.of(0x97, "Quota exceeded").name == "quota_exceeded"
    assert ReasonCode.of(0x87, "Not authorized").name == "not_authorized"
    assert connect_failure(ConnectionRefusedError()) == "connection_refused"
    assert connect_failure(OSError()) == connect_failure(None) == "connect_failed"
