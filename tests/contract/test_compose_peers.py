"""What firmware/compose gives to Mosquitto and Prometheus, taken by the real programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.clock import SystemClock
from edge.errors import MessageRefused, RetryPeer
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages
from edge.mqtt.subscriber import AlertSubscriber
from edge.mqtt.topics import Topics, filters
from edge.ports import OutboundMessage
from edge.settings import MqttSettings, Settings
from tests.contract import brokers
from tests.contract.listener import Listener
from tests.statements import alert

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "firmware" / "compose"
CLOCK = SystemClock()


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[brokers.BrokerProcess]:
    """The shipped configuration and rights, but for the port and for where a container has its folders."""
    for folder in ("config", "data"):
        (tmp_path / folder).mkdir()
    shutil.copy(COMPOSE / "acl", tmp_path / "config")
    for user, create in (("edge", ["-c"]), ("pager", []), ("visitor", [])):
        passwords = str(tmp_path / "config" / "passwords")
        subprocess.run(["mosquitto_passwd", "-b", *create, passwords, user, f"of {user}"], check=True)
    shipped = (COMPOSE / "mosquitto.conf").read_text().replace("/mosquitto/", f"{tmp_path}/").splitlines()
    assert "listener 1883" in shipped
    process = brokers.mosquitto(tmp_path, free_port(), *(line for line in shipped if line != "listener 1883"))
    process.start()
    yield process
    process.kill()


def settings(broker: brokers.BrokerProcess, user: str) -> MqttSettings:
    given = {"port": broker.settings.port, "username": user, "password": f"of {user}"}
    return MqttSettings.model_validate(given)


def channel(mqtt: MqttSettings, name: str = "") -> MqttChannel:
    presence = AlertMessages(Settings(mqtt=mqtt)).presence(CLOCK)
    started = MqttChannel(mqtt, f"test-{name or mqtt.username}", presence, lambda _: None)
    started.start()
    return started


@pytest.mark.peer("mosquitto")
def test_the_appliance_pages_and_the_pager_hears_and_acknowledges(broker: brokers.BrokerProcess) -> None:
    mqtt = settings(broker, "edge")
    pager = AlertSubscriber(settings(broker, "pager"), "test-pager", filters(mqtt.topic_prefix), CLOCK)
    pager.start()
    assert pager.wait_subscribed(5.0)
    appliance = channel(mqtt)
    page = AlertMessages(Settings(mqtt=mqtt)).alert(alert()).encode(1)
    assert appliance.publish(page, 5.0).subscribers
    heard = [pager.receive(5.0) for _ in range(2)]
    assert page.key in {h.key for h in heard if h is not None}
    acknowledging = channel(settings(broker, "pager"))
    receipt = acknowledging.publish(_ack(Topics.of(Settings(mqtt=mqtt)).ack), 5.0)
    assert receipt.reason_code in (0x00, 0x10)
    for client in (appliance, acknowledging, pager):
        client.close()


def everything_said() -> list[str]:
    """Each topic of an appliance with every role of its plans, but for the one it hears answers on."""
    said, topics = Settings(), Topics.of(Settings())
    plain = [topics.worklist, topics.result, topics.notice, topics.status, topics.heartbeat]
    return [*plain, *(topics.below(t) for role in said.alerting.roles for t in said.alerting.topics_of(role))]


@pytest.mark.peer("mosquitto")
def test_each_topic_reaches_pagers_and_nobody_else_and_no_visitor_answers(
    broker: brokers.BrokerProcess,
) -> None:
    """The shipped rights: the appliance publishes, pagers read and answer, a known visitor does neither.

    The appliance answers as well, for its own test pager.
    """
    ack, every = Topics.of(Settings()).ack, everything_said()
    assert {"edge/v1/edge-1/alert/critical", "edge/v1/edge-1/role/on-call"} < set(every)
    listeners = {name: Listener(settings(broker, name), "#") for name in ("pager", "visitor")}
    appliance, pager, visitor = (channel(settings(broker, user)) for user in ("edge", "pager", "visitor"))
    try:
        for topic in every:
            assert appliance.publish(_said(topic), 5.0).reason_code == 0x00, topic
            for other in (pager, visitor):
                with pytest.raises(MessageRefused, match="not_authorized"):
                    other.publish(_said(topic), 5.0)
        for answering in (pager, appliance):
            assert answering.publish(_said(ack), 5.0).reason_code in (0x00, 0x10)
        with pytest.raises(MessageRefused, match="not_authorized"):
            visitor.publish(_said(ack), 5.0)
        for topic in every:
            assert listeners["pager"].heard(f"key of {topic}"), topic
        assert listeners["visitor"].all() == []
    finally:
        for client in (appliance, pager, visitor, *listeners.values()):
            client.close()


def _said(topic: str) -> OutboundMessage:
    return OutboundMessage(f"key of {topic}", topic, b"{}", "application/json", 60)


@pytest.mark.peer("mosquitto")
def test_a_pager_cannot_raise_an_alert(broker: brokers.BrokerProcess) -> None:
    mqtt = settings(broker, "pager")
    forger = channel(mqtt)
    with pytest.raises(MessageRefused, match="not_authorized"):
        forger.publish(AlertMessages(Settings(mqtt=mqtt)).alert(alert()).encode(1), 5.0)
    forger.close()


@pytest.mark.peer("mosquitto")
def test_nobody_comes_in_without_a_name(broker: brokers.BrokerProcess) -> None:
    mqtt = MqttSettings(port=broker.settings.port)
    stranger = channel(mqtt)
    with pytest.raises(RetryPeer, match="not_connected"):
        stranger.publish(AlertMessages(Settings(mqtt=mqtt)).alert(alert()).encode(1), 1.0)
    stranger.close()


@pytest.fixture
def tls_broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[brokers.BrokerProcess]:
    """The shipped TLS listener with certificates of `edge tls`; who one is, its certificate says."""
    config = tmp_path / "config"
    asked = ["--broker", "127.0.0.1", "--peer", "pager", "--peer", "stranger"]
    assert main(["tls", "init", "--out", str(config), *asked]) == 0
    shutil.copy(COMPOSE / "acl", config)
    shipped = (COMPOSE / "mosquitto-tls.conf").read_text().replace("/mosquitto/", f"{tmp_path}/").splitlines()
    assert "listener 8883" in shipped
    process = brokers.mosquitto(tmp_path, free_port(), *(line for line in shipped if line != "listener 8883"))
    process.start()
    yield process
    process.kill()


def certified(broker: brokers.BrokerProcess, folder: Path, name: str) -> MqttSettings:
    files = {"ca_file": folder / "ca.pem", "certificate_file": folder / f"{name}.pem"}
    key = {"key_file": folder / f"{name}.key"}
    return MqttSettings.model_validate({"port": broker.settings.port, "tls": True, **files, **key})


@pytest.mark.peer("mosquitto")
def test_over_tls_a_certificate_is_the_user_and_the_rights_are_the_same(
    tls_broker: brokers.BrokerProcess, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    mqtt = certified(tls_broker, config, "edge")
    as_pager = certified(tls_broker, config, "peer-pager")
    pager = AlertSubscriber(as_pager, "test-pager", filters(mqtt.topic_prefix), CLOCK)
    pager.start()
    assert pager.wait_subscribed(5.0)
    appliance, forger, stranger = (
        channel(one, name)
        for one, name in (
            (mqtt, "edge"),
            (as_pager, "forger"),
            (certified(tls_broker, config, "peer-stranger"), "stranger"),
        )
    )
    page = AlertMessages(Settings(mqtt=mqtt)).alert(alert()).encode(1)
    assert appliance.publish(page, 5.0).subscribers
    for client in (forger, stranger):
        with pytest.raises(MessageRefused, match="not_authorized"):
            client.publish(page, 5.0)
    heard = [pager.receive(5.0) for _ in range(2)]
    assert page.key in {h.key for h in heard if h is not None}
    for client in (appliance, forger, stranger, pager):
        client.close()


@pytest.mark.peer("mosquitto")
def test_over_tls_nobody_comes_in_without_a_certificate(
    tls_broker: brokers.BrokerProcess, tmp_path: Path
) -> None:
    known = {"tls": True, "ca_file": tmp_path / "config" / "ca.pem"}
    mqtt = MqttSettings.model_validate({"port": tls_broker.settings.port, **known})
    nobody = channel(mqtt, "nobody")
    with pytest.raises(RetryPeer, match="not_connected"):
        nobody.publish(AlertMessages(Settings(mqtt=mqtt)).alert(alert()).encode(1), 1.0)
    nobody.close()


@pytest.mark.peer("promtool")
def test_prometheus_takes_the_configuration_with_the_rules_beside_it(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / "prometheus.yml", tmp_path)
    shutil.copy(ROOT / "edge" / "telemetry" / "prometheus" / "alerts.yml", tmp_path)
    asked = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def _ack(topic: str) -> OutboundMessage:
    return OutboundMessage(
        key="ack-1", topic=topic, payload=b"{}", content_type="application/json", expiry_s=60
    )
