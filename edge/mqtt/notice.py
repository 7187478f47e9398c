"""A service message on a connection of its own: it gets out when outbox and agent are what fails."""

from __future__ import annotations

import threading

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import NotPublished
from edge.mqtt.channel import properties_of
from edge.mqtt.connection import AT_LEAST_ONCE, FIRST_REFUSAL, client_for
from edge.ports import OutboundMessage
from edge.settings import MqttSettings


def publish_notice(
    settings: MqttSettings, client_id: str, message: OutboundMessage, timeout_s: float
) -> None:
    """Connects, waits for the PUBACK and leaves; raises NotPublished when that is not done in time."""
    answered, accepted = threading.Event(), threading.Event()

    def on_connect(
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason_code.value < FIRST_REFUSAL:
            accepted.set()
        answered.set()

    client = client_for(settings, client_id)
    client.connect_timeout = timeout_s
    client.on_connect = on_connect
    client.connect_async(settings.host, settings.port, keepalive=settings.keepalive_s, clean_start=True)
    client.loop_start()
    try:
        if not (answered.wait(timeout_s) and accepted.is_set()):
            raise NotPublished("not_connected")
        sent = client.publish(
            message.topic,
            message.payload,
            AT_LEAST_ONCE,
            retain=message.retain,
            properties=properties_of(message, PacketTypes.PUBLISH),
        )
        try:
            sent.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise NotPublished("connection_lost") from error
        if not sent.is_published():
            raise NotPublished("puback_timeout")
    finally:
        client.disconnect()
        client.loop_stop()
