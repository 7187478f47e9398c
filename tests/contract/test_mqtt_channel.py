"""What only real brokers and real connections can show: Wills, half-open connections, TLS, refusals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.errors import MessageRefused, RetryPeer
from edge.mqtt.channel import MqttChannel
from edge.mqtt.drafts import AlertMessages, Progress, summarise
from edge.mqtt.message import AlertMessage
from edge.mqtt.subscriber import AlertSubscriber
from edge.mqtt.topics import filters
from edge.publisher import Publisher
from edge.settings import MqttSettings, Settings
from edge.spool.ledger import SqliteLedger
from edge.telemetry.events import BrokerConnectionChanged, Happening
from tests.contract import brokers
from tests.contract.listener import Listener
from tests.contract.mute_broker import MuteBroker
from tests.statements import alert

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()
STATUS = "edge/v1/edge-1/status"
needs_mosquitto = pytest.mark.peer("mosquitto")


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)])
def broker(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[brokers.BrokerProcess]:
    make = brokers.embedded if request.param == "embedded" else brokers.mosquitto
    process = make(tmp_path, free_port())
    process.start()
    yield process
    process.kill()


class Line:
    """A started channel and what it said of its connection."""

    def __init__(self, settings: MqttSettings) -> None:
        self.messages = AlertMessages(Settings(mqtt=settings))
        self.happenings: list[Happening] = []
        self.channel = MqttChannel(
            settings, "edge-test", self.messages.presence(CLOCK), self.happenings.append
        )
        self.channel.start()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def page(self, alert_id: str = "a1", timeout_s: float = 5.0) -> None:
        self.channel.publish(self.messages.alert(alert(alert_id=alert_id)).encode(1), timeout_s)

    def connection(self, connected: bool, within_s: float = 10.0) -> str:
        """The reason of the first change to `connected`."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            changes = [h for h in self.happenings if isinstance(h, BrokerConnectionChanged)]
            reasons = [h.reason for h in changes if h.connected is connected]
            if reasons:
                return reasons[0]
            time.sleep(0.02)
        raise AssertionError(f"never connected={connected}: {self.happenings}")


def child(task: str, port: int, folder: Path, start: int = 0) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.contract.publishing_child",
        task,
        str(port),
        str(folder),
        str(start),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def test_the_will_is_heard_after_kill_9(broker: brokers.BrokerProcess, tmp_path: Path) -> None:
    listener = Listener(broker.settings, STATUS)
    with child("present", broker.settings.port, tmp_path) as process:
        listener.until('"online"')
        killed = time.monotonic()
        process.kill()
        will = json.loads(listener.until('"offline"').payload)
    assert time.monotonic() - killed < 2.0
    assert (will["reason"], will["since"]) == ("connection_lost", None)
    late = Listener(broker.settings, STATUS)
    assert json.loads(late.first().payload) == will
    assert late.first().content_type == "application/json"
    late.close()
    listener.close()


def test_the_will_is_heard_when_the_appliance_hangs(broker: brokers.BrokerProcess, tmp_path: Path) -> None:
    listener = Listener(broker.settings, STATUS)
    with child("present", broker.settings.port, tmp_path) as process:
        listener.until('"online"')
        os.kill(process.pid, signal.SIGSTOP)
        listener.until('"offline"')
        os.kill(process.pid, signal.SIGCONT)
        deadline = time.monotonic() + 10
        while listener.all()[-1].payload.find(b'"online"') < 0:
            assert time.monotonic() < deadline, "it did not say online again after it came back"
            time.sleep(0.05)
        process.kill()
    listener.close()


def test_keep_alive_finds_a_half_open_connection_and_the_page_gets_through(
    broker: brokers.BrokerProcess,
) -> None:
    listener = Listener(broker.settings, "edge/v1/+/alert/+")
    with Line(broker.settings) as line:
        line.page("before")
        broker.freeze()
        with pytest.raises(RetryPeer, match="puback_timeout"):
            line.page("during", 0.5)
        assert line.connection(False) == "keep_alive_timeout"
        with pytest.raises(RetryPeer, match="not_connected"):
            line.page("during", 0.5)
        broker.thaw()
        line.page("during", 15.0)
        assert listener.heard("during:preliminary:0:5e71e5")
    listener.close()


def test_a_connection_that_pings_but_never_acknowledges_is_cut_and_the_page_gets_through() -> None:
    broker = MuteBroker()
    with Line(MqttSettings(port=broker.port, keepalive_s=2, puback_timeout_s=0.5)) as line:
        deadline = time.monotonic() + 15
        while True:
            try:
                line.page(timeout_s=0.5)
                break
            except RetryPeer:
                assert time.monotonic() < deadline
        assert broker.connections == 2
    broker.close()


@needs_mosquitto
def test_a_topic_the_broker_forbids_is_refused_by_name_and_others_pass(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite edge/v1/edge-1/status\ntopic read edge/v1/#\n")
    broker = brokers.mosquitto(tmp_path, free_port(), "allow_anonymous true", f"acl_file {acl}")
    broker.start()
    with Line(broker.settings) as line:
        with pytest.raises(MessageRefused, match="not_authorized"):
            line.page()
        line.channel.publish(line.messages.status("degraded", CLOCK.utc(), "triton_down"), 5.0)
    broker.kill()


def certificates(folder: Path) -> None:
    """A CA, and a certificate it signed for 127.0.0.1."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2"),
        )
    openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1"),
    )
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "server.crt", "-days", "2", "-extfile", "san"),
    )


@pytest.fixture
def guarded(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[brokers.BrokerProcess]:
    """Mosquitto with TLS and one user; its settings are the right ones."""
    certificates(tmp_path)
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "edge", "right"], check=True)
    secret = tmp_path / "password"
    secret.write_text("right\n")
    secret.chmod(0o600)
    broker = brokers.mosquitto(
        tmp_path,
        free_port(),
        f"cafile {tmp_path}/ca.crt",
        f"certfile {tmp_path}/server.crt",
        f"keyfile {tmp_path}/server.key",
        "tls_version tlsv1.2",
        "allow_anonymous false",
        f"password_file {users}",
        tls=True,
        ca_file=tmp_path / "ca.crt",
        username="edge",
        password_file=secret,
    )
    broker.start()
    yield broker
    broker.kill()


@needs_mosquitto
def test_tls_and_password_from_files_open_the_line(guarded: brokers.BrokerProcess) -> None:
    listener = Listener(guarded.settings, "edge/v1/#")
    with Line(guarded.settings) as line:
        line.page()
        assert listener.heard("a1:preliminary:0:5e71e5")
    listener.close()


@needs_mosquitto
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password_file": None, "password": "wrong"}, "not_authorized"),
        ({"ca_file": "other.crt"}, "certificate_verify_failed"),
        ({"host": "localhost"}, "certificate_verify_failed"),
        ({"tls": False, "ca_file": None}, "no_connack"),
    ],
)
def test_a_line_that_cannot_open_says_why(
    guarded: brokers.BrokerProcess, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    if change.get("ca_file"):
        change = {"ca_file": tmp_path / str(change["ca_file"])}
    settings = MqttSettings.model_validate({**guarded.settings.model_dump(), **change})
    with Line(settings) as line:
        assert line.connection(False) == reason
        with pytest.raises(RetryPeer, match="not_connected"):
            line.page(timeout_s=0.1)


def test_a_pager_that_was_away_gets_what_came_meanwhile(broker: brokers.BrokerProcess) -> None:
    def pager() -> AlertSubscriber:
        subscriber = AlertSubscriber(broker.settings, "pager-1", filters("edge/v1"), CLOCK)
        subscriber.start()
        assert subscriber.wait_subscribed(10)
        return subscriber

    away = pager()
    away.close()
    with Line(broker.settings) as line:
        line.page("while away")
        back = pager()
        heard: list[str] = []
        while "while away" not in heard:
            received = back.receive(10)
            assert received is not None, f"only {heard}"
            if isinstance(received.message, AlertMessage):
                heard.append(received.message.alert_id)
                assert received.key == "while away:preliminary:0:5e71e5"
                assert received.at.tzinfo is not None
        back.close()


@needs_mosquitto
def test_kill_9_of_the_publishing_process_loses_no_page(tmp_path: Path, free_port: Callable[[], int]) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    dice = random.Random(seed)
    broker = brokers.mosquitto(tmp_path, free_port())
    broker.start()
    listener = Listener(broker.settings, "edge/v1/+/alert/+")
    promised = 0
    for _ in range(4):
        with child("run", broker.settings.port, tmp_path, start=promised) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(dice.randrange(20, 250))]
            process.kill()
            lines += process.stdout.readlines()
        # A number promised twice is one row, so the next child may begin with the last one again.
        promised = int([line for line in lines if line.endswith(b"\n")][-1])
    publish_the_rest(broker.settings, tmp_path)
    expected = {f"alert-{n}:confirmed:0:5e71e5" for n in range(promised + 1)}
    heard = [h.key for h in listener.all()]
    print(f"{len(expected)} pages promised, {len(heard) - len(set(heard))} heard twice")
    assert expected <= set(heard)
    sequences = {json.loads(h.payload)["sequence"] for h in listener.all()}
    assert sequences == set(range(1, max(sequences) + 1))
    listener.close()
    broker.kill()


def publish_the_rest(settings: MqttSettings, state_dir: Path) -> None:
    ledger = SqliteLedger(state_dir, clock=CLOCK)
    with Line(settings) as line:
        publisher = Publisher(
            ledger,
            line.channel,
            CLOCK,
            line.happenings.append,
            settings,
            summarise=summarise,
            heartbeat=lambda: line.messages.heartbeat(CLOCK.utc(), Progress(0, 0, 0, 0, 0, None, "serving")),
        )
        deadline = time.monotonic() + 30
        while ledger.outbox_depth()[0]:
            assert time.monotonic() < deadline
            publisher.turn()
    ledger.close()
