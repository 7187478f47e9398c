"""An MQTT client that knows nothing of ours: it writes down what a broker gives it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.mqtt.credentials import password, tls_context
from edge.settings import MqttSettings

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    key: str
    content_type: str
    response_topic: str | None
    expiry_s: int | None
    retained: bool


class Listener:
    """Subscribed when it has been made, and again after every reconnect."""

    def __init__(self, settings: MqttSettings, *filters: str) -> None:
        self._heard: list[Heard] = []
        self._changed = threading.Condition()
        self._filters = filters
        subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(settings.username, password(settings))
        context = tls_context(settings)
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_connect = lambda client, *_: client.subscribe([(f, 1) for f in filters])
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect(settings.host, settings.port, keepalive=30)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE_S), f"no SUBACK for {filters}"

    def heard(self, key: str, *, least: int = 1) -> list[Heard]:
        """Everything under this key once there are `least`; what there is when patience ends."""

        def found() -> list[Heard]:
            return [h for h in self._heard if h.key == key]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= least, PATIENCE_S)
            return found()

    def first(self) -> Heard:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._heard), PATIENCE_S), (
                f"silence on {self._filters}"
            )
            return self._heard[0]

    def all(self) -> list[Heard]:
        with self._changed:
            return list(self._heard)

    def until(self, text: str) -> Heard:
        """The first message whose payload holds `text`."""

        def found() -> Heard | None:
            return next((h for h in self._heard if text.encode() in h.payload), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, PATIENCE_S)
            heard = found()
        assert heard is not None, f"nobody said {text} on {self._filters}"
        return heard

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        properties = message.properties
        heard = Heard(
            topic=message.topic,
            payload=message.payload,
            key=getattr(properties, "CorrelationData", b"").decode(),
            content_type=getattr(properties, "ContentType", ""),
            response_topic=getattr(properties, "ResponseTopic", None),
            expiry_s=getattr(properties, "MessageExpiryInterval", None),
            retained=message.retain,
        )
        with self._changed:
            self._heard.append(heard)
            self._changed.notify_all()
