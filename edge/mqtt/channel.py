"""The way to the broker: MQTT 5 with a Will, one PUBACK awaited at a time.

paho would keep messages that got no PUBACK in memory and send them again after a reconnect, beside
our outbox, which sends them again as well. So paho's queue is emptied before every connect, and only
what the outbox asks for goes out.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode as PahoReasonCode

from edge.errors import MessageRefused, NotPublished
from edge.mqtt.acknowledgement import Acknowledgements
from edge.mqtt.connection import AT_LEAST_ONCE, FIRST_REFUSAL, client_for
from edge.mqtt.drafts import Presence
from edge.mqtt.message import SCHEMA_VERSION
from edge.mqtt.reason import ReasonCode, connect_failure
from edge.ports import OutboundMessage, Receipt
from edge.settings import MqttSettings
from edge.telemetry.events import BrokerConnectionChanged, Happening, PublishFailed

NO_MATCHING_SUBSCRIBERS = 0x10
# The peer hung up in the middle: no MQTT broker there, or one that wants TLS.
NO_CONNACK = "no_connack"
# A connection that answers pings but gave no PUBACK for this many keep-alives is cut.
PATIENCE_KEEPALIVES = 2
# Only late PUBACKs pile up here, one a puback_timeout, until keep alive cuts the connection.
MOST_UNACKNOWLEDGED = 100


class MqttChannel:
    """Implements ports.AlertChannel.

    Three threads meet here: paho's own (connects, reconnects, calls back), the caller's (publishes),
    and one that tells of connection changes, because paho's callbacks must not call paho.
    """

    def __init__(
        self, settings: MqttSettings, client_id: str, presence: Presence, emit: Callable[[Happening], None]
    ) -> None:
        """Raises FixConfiguration for settings that can never connect."""
        self._settings = settings
        self._presence = presence
        self._emit = emit
        self._acknowledgements = Acknowledgements()
        self._sending = threading.Lock()
        self._changes: SimpleQueue[BrokerConnectionChanged | None] = SimpleQueue()
        self._announcer = threading.Thread(target=self._announce, name="mqtt-presence", daemon=True)
        # What was said last is what holds: the publisher, a reconnect and the end take turns.
        self._speaking_of_presence = threading.Lock()
        self._status = presence.online
        self._answered = False
        self._client = self._configured(client_id)

    def start(self) -> None:
        """Returns at once; connecting, also for the first time, goes on until it succeeds."""
        self._announcer.start()
        self._client.connect_async(
            self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s, clean_start=True
        )
        self._client.loop_start()

    def publish(self, message: OutboundMessage, timeout_s: float) -> Receipt:
        """Waits for a connection, then for the PUBACK, `timeout_s` each.

        A message on the status topic is also the one that is said again after a reconnect.
        """
        if message.topic != self._presence.will.topic:
            return self._deliver(message, timeout_s)
        with self._speaking_of_presence:
            self._status = message
            return self._deliver(message, timeout_s)

    def close(self) -> None:
        """Says offline if there is a broker to hear it; waits the PUBACK timeout at most."""
        if not self._announcer.is_alive():
            return
        if self._client.is_connected():
            with self._speaking_of_presence:
                self._status = self._presence.offline()
                self._say(self._status)
        self._acknowledgements.close()
        self._client.disconnect()
        # paho's thread would wait for PUBACKs of what is still in flight.
        self._client.drop_out_messages()
        self._client.loop_stop()
        self._changes.put(None)
        self._announcer.join()

    def _configured(self, client_id: str) -> Client:
        client = client_for(self._settings, client_id)
        client.max_queued_messages_set(MOST_UNACKNOWLEDGED)
        will = self._presence.will
        client.will_set(
            will.topic,
            will.payload,
            AT_LEAST_ONCE,
            retain=will.retain,
            properties=properties_of(will, PacketTypes.WILLMESSAGE),
        )
        client.on_pre_connect = self._before_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_puback
        return client

    def _deliver(self, message: OutboundMessage, timeout_s: float) -> Receipt:
        connection = self._acknowledgements.await_connection(timeout_s)
        in_flight_s = self._acknowledgements.in_flight_s(message.key)
        if in_flight_s is None:
            self._send(message, connection)
        elif in_flight_s > PATIENCE_KEEPALIVES * self._settings.keepalive_s:
            self._cut()
        reason = self._acknowledgements.await_puback(message.key, connection, timeout_s)
        if reason.value >= FIRST_REFUSAL:
            raise MessageRefused(reason.name)
        return Receipt(reason.value, subscribers=reason.value != NO_MATCHING_SUBSCRIBERS)

    def _send(self, message: OutboundMessage, connection: int) -> None:
        with self._sending:
            self._acknowledgements.about_to_send()
            sent: MQTTMessageInfo = self._client.publish(
                message.topic,
                message.payload,
                AT_LEAST_ONCE,
                retain=message.retain,
                properties=properties_of(message, PacketTypes.PUBLISH),
            )
            if sent.rc is MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                raise NotPublished("too_many_unacknowledged")
            self._acknowledgements.sent(message.key, sent.mid, connection)

    def _cut(self) -> None:
        """Ends a connection that keep alive finds nothing wrong with; paho sees the end and reconnects."""
        connection = cast("socket.socket | None", self._client.socket())
        if connection is not None:
            with suppress(OSError):  # it ended by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def _announce(self) -> None:
        reported: BrokerConnectionChanged | None = None
        while (change := self._changes.get()) is not None:
            if change != reported:
                self._emit(change)
                reported = change
            if change.connected:
                with self._speaking_of_presence:
                    self._say(self._status)

    def _say(self, status: OutboundMessage) -> None:
        try:
            self._deliver(status, self._settings.puback_timeout_s)
        except NotPublished as error:
            self._emit(PublishFailed(error.reason, attempt=1))

    # The following run in paho's thread, under its locks: they only write down what happened. An
    # on_pre_connect is under no lock, so it may empty the queue.

    def _before_connect(self, client: Client, _userdata: object) -> None:
        if self._acknowledgements.lost():
            self._changes.put(BrokerConnectionChanged(False, "connection_lost"))
        client.drop_out_messages()
        self._answered = False

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason_code: PahoReasonCode,
        _properties: Properties | None,
    ) -> None:
        reason = ReasonCode.of(reason_code.value, str(reason_code))
        accepted = reason.value < FIRST_REFUSAL
        self._answered = True
        if accepted:
            self._acknowledgements.connected()
        self._changes.put(BrokerConnectionChanged(accepted, reason.name))

    def _on_connect_fail(self, _client: Client, _userdata: object) -> None:
        # paho calls this while it handles the error, and does not hand it over.
        self._changes.put(BrokerConnectionChanged(False, connect_failure(sys.exc_info()[1])))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason_code: PahoReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._acknowledgements.lost():
            reason = ReasonCode.of(reason_code.value, str(reason_code))
            self._changes.put(BrokerConnectionChanged(False, reason.name))
        elif not self._answered:
            self._changes.put(BrokerConnectionChanged(False, NO_CONNACK))

    def _on_puback(
        self,
        _client: Client,
        _userdata: object,
        identifier: int,
        reason_code: PahoReasonCode,
        _properties: Properties,
    ) -> None:
        self._acknowledgements.came(identifier, ReasonCode.of(reason_code.value, str(reason_code)))


def properties_of(message: OutboundMessage, packet: int) -> Properties:
    """MQTT 5 properties (3.3.2.3) of a PUBLISH or a Will."""
    properties = Properties(packet)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = message.content_type
    properties.CorrelationData = message.key.encode("utf-8")
    properties.UserProperty = ("schema_version", SCHEMA_VERSION)
    if message.expiry_s:
        properties.MessageExpiryInterval = message.expiry_s
    if message.response_topic is not None:
        properties.ResponseTopic = message.response_topic
    return properties
