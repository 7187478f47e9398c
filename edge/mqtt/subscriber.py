"""The receiving side: what a pager, the demo and the end-to-end tests hear."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from pydantic import ValidationError

from edge.domain.acknowledgement import Acknowledgement, Answer
from edge.domain.finding import Side
from edge.errors import RejectInput, RetryPeer
from edge.mqtt.answer import CONTENT_TYPE, AckMessage
from edge.mqtt.connection import AT_LEAST_ONCE, AT_MOST_ONCE, FIRST_REFUSAL, client_for
from edge.mqtt.message import (
    ANY_MESSAGE,
    AlertMessage,
    CanaryMessage,
    EdgeMessage,
    FindingWords,
    ResultMessage,
)
from edge.ports import Clock
from edge.settings import MqttSettings

# The broker keeps what came while the pager was away for a week.
SESSION_EXPIRY_S = 7 * 86400
RECEIVE_MAXIMUM = 16


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came; `key` (correlation data) is equal for repetitions of the same message."""

    message: EdgeMessage
    topic: str
    key: str
    at: datetime
    retained: bool
    response_topic: str = ""


class AlertSubscriber:
    """Subscribes at every connect; the broker keeps its session, so `client_id` stays the same.

    `passing` are filters for what counts only now, status and heartbeat: the broker keeps none of it for
    later, where it would push pages out of the queue, and may refuse it.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        filters: Sequence[str],
        clock: Clock,
        *,
        passing: Sequence[str] = (),
        session_s: int = SESSION_EXPIRY_S,
    ) -> None:
        self._settings = settings
        self._filters = filters
        self._passing = passing
        self._session_s = session_s
        self._clock = clock
        self._inbox: queue.SimpleQueue[Received | RejectInput] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        self._client = self._configured(client_id)

    def start(self) -> None:
        """Returns at once; see `wait_subscribed`."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_s
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=self._settings.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Whether the broker has granted every filter on the present connection."""
        return self._subscribed.wait(timeout_s)

    def receive(self, timeout_s: float) -> Received | None:
        """The next message, or None when none came in time; raises RejectInput for one it cannot read."""
        try:
            came = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(came, RejectInput):
            raise came
        return came

    def answer(
        self,
        page: Received,
        answer: Answer,
        role: str,
        name: str,
        timeout_s: float,
        *,
        at: datetime | None = None,
    ) -> None:
        """Publishes an answer to a page where it asks for one; raises RetryPeer without a PUBACK in time.

        `at` is when it was said, if that was earlier.
        """
        assert isinstance(page.message, AlertMessage)
        at = at or self._clock.utc()
        said = Acknowledgement(page.message.alert_id, page.key, answer, role, name, at)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = CONTENT_TYPE
        properties.CorrelationData = page.key.encode("utf-8")
        payload = AckMessage.of(said).model_dump_json()
        sent = self._client.publish(page.response_topic, payload, AT_LEAST_ONCE, properties=properties)
        try:
            sent.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise RetryPeer(f"the answer to {said.alert_id} could not be sent") from error
        if not sent.is_published():
            raise RetryPeer(f"the broker did not take the answer to {said.alert_id}")

    def close(self) -> None:
        """Leaves the session at the broker, which goes on collecting."""
        self._client.disconnect()
        self._client.loop_stop()

    def _configured(self, client_id: str) -> Client:
        client = client_for(self._settings, client_id)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # Also when the session is still there: subscribing again costs nothing, missing pages does.
        if reason_code.value < FIRST_REFUSAL:
            kept = [(f, SubscribeOptions(qos=AT_LEAST_ONCE)) for f in self._filters]
            client.subscribe([*kept, *((f, SubscribeOptions(qos=AT_MOST_ONCE)) for f in self._passing)])

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        _reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._subscribed.clear()

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _identifier: int,
        granted: Sequence[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if all(reason.value < FIRST_REFUSAL for reason in granted[: len(self._filters)]):
            self._subscribed.set()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            words = ANY_MESSAGE.validate_json(message.payload)
        except ValidationError as error:
            self._inbox.put(
                RejectInput("unreadable_message", f"{message.topic}: {error.error_count()} errors")
            )
            return
        correlation = getattr(message.properties, "CorrelationData", b"")
        self._inbox.put(
            Received(
                message=words,
                topic=message.topic,
                key=correlation.decode("utf-8", errors="replace"),
                at=self._clock.utc(),
                retained=message.retain,
                response_topic=getattr(message.properties, "ResponseTopic", ""),
            )
        )


def format_page(message: AlertMessage | ResultMessage) -> str:
    """One or two short lines, as on a pager; holds tokens and numbers, no patient data."""
    marks = "".join(
        f"[{word}] " for word, on in (("TEST", message.test), ("DEGRADED", message.degraded)) if on
    )
    where = f"{message.scanner}, accession {message.accession_token or 'none'}, revision {message.revision}"
    if isinstance(message, ResultMessage):
        found = "; ".join(_measured(f) for f in message.findings)
        said = f"{message.outcome.replace('_', ' ')}: {found or message.detail or message.reason}"
        return f"{marks}RESULT {said}\n  {where}"
    finding = message.finding
    said = _measured(finding)
    how = f"{message.urgency.upper()} {message.status.upper()}"
    if message.escalation is not None:
        how += f" for {message.escalation.role} ({message.escalation.reason.replace('_', ' ')})"
    if message.demoted:
        how = f"WORKLIST ({message.demoted}) {how}"
    if message.held:
        how = f"LATE ({message.held}) {how}"
    return f"{marks}{how} {said}\n  {where}, alert {message.alert_id}"


def format_canary(message: CanaryMessage) -> str:
    """One line for ops."""
    if message.proven:
        return f"CANARY of {message.appliance} proven: pages reach a pager again"
    last = f"{message.proven_page_at:%Y-%m-%d %H:%M:%S} UTC" if message.proven_page_at else "never"
    where = f"{message.reason}, got as far as {message.stage}"
    return f"CANARY of {message.appliance} FAILED: {message.part} ({where}); last proven page: {last}"


def _measured(finding: FindingWords) -> str:
    side = "" if finding.side is Side.UNKNOWN else f" {finding.side}"
    run = finding.run
    where = "" if run is None else f" ({run.first} to {run.last} of {run.total} from the feet)"
    size = f"{finding.volume_ml:.1f} mL on {finding.slices} slices{where}"
    return f"{finding.meaning}{side}, p {finding.probability:.2f}, {size}"
