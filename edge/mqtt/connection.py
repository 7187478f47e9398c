"""A paho client as both sides of this room use it: MQTT 5, our credentials, patient reconnects."""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.errors import FixConfiguration
from edge.mqtt.credentials import password, tls_context
from edge.settings import MqttSettings

AT_MOST_ONCE = 0
AT_LEAST_ONCE = 1
FIRST_REFUSAL = 0x80
CONNECT_TIMEOUT_S = 5.0
RECONNECT_AFTER_S = (1, 4)


def client_for(settings: MqttSettings, client_id: str, *, manual_ack: bool = False) -> Client:
    """Not connected yet; raises FixConfiguration for settings that can never connect.

    With `manual_ack` a PUBLISH is acknowledged by `ack` alone, once its message is safe.
    """
    try:
        settings.host.encode("idna")
    except UnicodeError as error:
        raise FixConfiguration(f"mqtt.host {settings.host!r} is no host name: {error}") from error
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=manual_ack,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.reconnect_delay_set(*RECONNECT_AFTER_S)
    client.username_pw_set(settings.username, password(settings))
    context = tls_context(settings)
    if context is not None:
        client.tls_set_context(context)  # pyright: ignore[reportUnknownMemberType] -- unannotated
    return client
