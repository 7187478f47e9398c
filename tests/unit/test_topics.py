from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.finding import Urgency
from edge.errors import FixConfiguration
from edge.mqtt.topics import Topic, Topics, filters
from edge.settings import ApplianceSettings, MqttSettings, Settings


@pytest.mark.parametrize("name", ["", "a/+/b", "a/#", "a\x00b", "$SYS/broker", "a\ud800", "x" * 65536])
def test_what_mqtt_forbids_is_no_topic(name: str) -> None:
    with pytest.raises(ValueError, match="topic name"):
        Topic(name)


@given(st.text())
def test_a_topic_is_what_it_was_made_of_or_was_never_made(name: str) -> None:
    try:
        topic = Topic(name)
    except ValueError:
        return
    assert topic == name
    assert not re.search(r"[+#\x00]", topic)
    assert 1 <= len(topic.encode()) <= 65535


def settings_with(prefix: str) -> Settings:
    return Settings(appliance=ApplianceSettings(name="er-2"), mqtt=MqttSettings(topic_prefix=prefix))


@given(st.from_regex(r"\A[^+#\x00$\ud800-\udfff][^+#\x00\ud800-\udfff]{0,50}\Z"))
def test_every_prefix_the_settings_let_through_makes_topics(prefix: str) -> None:
    topics = Topics.of(settings_with(prefix))
    assert topics.result == f"{prefix}/er-2/result"


def test_a_prefix_that_makes_topics_too_long_names_its_setting() -> None:
    with pytest.raises(FixConfiguration, match=r"mqtt\.topic_prefix"):
        Topics.of(settings_with("x" * 65536))


def test_a_pager_can_subscribe_to_one_urgency_and_the_console_to_all() -> None:
    topics = Topics.of(settings_with("hospital/edge"))
    assert [topics.alert(u) for u in Urgency] == [
        "hospital/edge/er-2/alert/critical",
        "hospital/edge/er-2/alert/urgent",
        "hospital/edge/er-2/alert/routine",
    ]
    assert (topics.status, topics.heartbeat, topics.ack) == (
        "hospital/edge/er-2/status",
        "hospital/edge/er-2/heartbeat",
        "hospital/edge/er-2/ack",
    )
    assert filters("hospital/edge")[0] == "hospital/edge/+/alert/+"
    assert "hospital/edge/er-2/result" in filters("hospital/edge", "er-2")
