"""The appliance's ear: what pagers say on the response topic, kept by the broker while we are away.

A connection of its own, because its session must outlive us and the publisher's must not. A PUBLISH
is acknowledged only once `record` has it on disk; until then it is tried again, and the broker gives it
again at the next connection. What is no answer is refused and acknowledged at once: it would come back for
ever, and RECEIVE_MAXIMUM of them would let no other answer in.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.alert_ports import Recorded
from edge.domain.acknowledgement import Acknowledgement
from edge.errors import RejectInput, ShedLoad, where
from edge.mqtt.answer import read_answer
from edge.mqtt.connection import AT_LEAST_ONCE, FIRST_REFUSAL, client_for
from edge.settings import MqttSettings
from edge.telemetry.events import AlertAnswered, AnswerRefused, Happening, TaskFailed

SESSION_EXPIRY_S = 7 * 86400
RECEIVE_MAXIMUM = 16
AGAIN_S = 1.0
MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Came:
    connection: int
    identifier: int
    payload: bytes
    key: str
    retained: bool


class AnswerReader:
    """`record` is called in a thread of this class, one answer at a time."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        topic: str,
        record: Callable[[Acknowledgement], Recorded],
        emit: Callable[[Happening], None],
        *,
        session_lost: Callable[[], None] = lambda: None,
        had_session: bool = False,
    ) -> None:
        """`session_lost` is called when the broker has forgotten us, and so its other clients too.

        `had_session` if this client id was there before this process: then the first connection may say so.
        """
        self._had_session = had_session
        self._settings, self._topic, self._record, self._emit = settings, topic, record, emit
        self._session_lost = session_lost
        self._came: queue.SimpleQueue[_Came | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._subscribed = threading.Event()
        self._connection = 0
        self._thread = threading.Thread(target=self._run, name="mqtt-answers", daemon=True)
        self._client = client_for(settings, client_id, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Returns at once; see `wait_subscribed`."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=self._settings.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._thread.start()
        self._client.loop_start()

    def wait_subscribed(self, timeout_s: float) -> bool:
        return self._subscribed.wait(timeout_s)

    def close(self) -> None:
        """Leaves the session at the broker, which goes on collecting answers."""
        self._stopping.set()
        self._came.put(None)
        self._client.disconnect()
        self._client.loop_stop()
        self._thread.join()

    def _run(self) -> None:
        while (came := self._came.get()) is not None and not self._stopping.is_set():
            try:
                kept = self._keep(came)
            except Exception as error:  # noqa: BLE001 -- supervised boundary: an answer must not be lost
                self._emit(TaskFailed("answers", where(error)))
                # On this connection the broker gives it no second time: behind those that came meanwhile.
                self._stopping.wait(AGAIN_S)
                self._came.put(came)
                continue
            # An identifier of an earlier connection may be another message's by now.
            if kept and came.connection == self._connection:
                self._client.ack(came.identifier, AT_LEAST_ONCE)

    def _keep(self, came: _Came) -> bool:
        """Whether the broker may forget it; False only when we are stopping."""
        if came.retained:
            self._emit(AnswerRefused("retained"))
            return True
        if len(came.payload) > MOST_BYTES:
            self._emit(AnswerRefused("too_long"))
            return True
        try:
            answer = read_answer(came.payload, came.key)
        except RejectInput as error:
            self._emit(AnswerRefused(error.reason))
            return True
        while True:
            try:
                recorded = self._record(answer)
            except ShedLoad:
                if self._stopping.wait(AGAIN_S):
                    return False
                continue
            if recorded in (Recorded.NEW, Recorded.REPEATED):
                again = recorded is Recorded.REPEATED
                self._emit(AlertAnswered(answer.alert_id, answer.answer, answer.role, again))
            else:
                self._emit(AnswerRefused(recorded))
            return True

    # The following run in paho's thread: they only write down what happened.

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason_code.value >= FIRST_REFUSAL:
            return
        self._connection += 1
        if not flags.session_present and self._had_session:
            self._session_lost()
        self._had_session = True
        client.subscribe([(self._topic, SubscribeOptions(qos=AT_LEAST_ONCE))])

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
        granted: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = [r for r in granted if r.value >= FIRST_REFUSAL]
        if refused:
            self._emit(AnswerRefused("not_subscribed"))
        else:
            self._subscribed.set()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        correlation: bytes = getattr(message.properties, "CorrelationData", b"")
        key = correlation.decode("utf-8", errors="replace")
        self._came.put(_Came(self._connection, message.mid, bytes(message.payload), key, message.retain))
