"""A broker of our own for `edge up`, when the site has none to offer: rumqttd from the iotcore wheel.

It passes MQTT 5 properties on, retains, sends Wills and answers QoS 1. What it does not do: it always
answers PUBACK with 0x00, so that nobody listens (0x10) is never known; it keeps nothing over a
restart, so a pager that was away meanwhile misses what had been published (the outbox holds only what
got no PUBACK); and it has no passwords here, so it listens on loopback alone.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from pathlib import Path

from edge.errors import FixConfiguration
from edge.launch import LaunchSpec
from edge.settings import MqttSettings

READY_TIMEOUT_S = 0.2
# Our messages have about 2 KiB; findings of a large series stay far below this.
MAX_PAYLOAD_BYTES = 262144
CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v5.1]
name = "loopback"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = {max_payload_bytes}
max_inflight_count = 100
dynamic_filters = true
"""


def embedded_broker(settings: MqttSettings, state_dir: Path) -> LaunchSpec:
    """Writes rumqttd's configuration below `state_dir`; raises FixConfiguration off loopback or with TLS."""
    host = _loopback(settings.host)
    if settings.tls or settings.username is not None:
        raise FixConfiguration(
            "the embedded broker has neither TLS nor users",
            hint='Unset mqtt.tls and mqtt.username, or set mqtt.mode = "external".',
        )
    folder = state_dir / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rumqttd.toml"
    text = CONFIGURATION.format(host=host, port=settings.port, max_payload_bytes=MAX_PAYLOAD_BYTES)
    path.write_text(text, encoding="utf-8")
    return LaunchSpec(
        name="broker",
        # -P: nothing in the working folder may pose as iotcore. rumqttd logs each packet at ERROR.
        argv=(sys.executable, "-P", "-m", "iotcore", "--config", str(path), "--log-level", "CRITICAL"),
        environment=dict(os.environ),
        ready=lambda: _answers(host, settings.port),
    )


def _loopback(host: str) -> str:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or address.version != 4 or not address.is_loopback:
        raise FixConfiguration(
            f"mqtt.host is {host}, but the embedded broker has no passwords and listens on loopback alone",
            hint='Set mqtt.host = "127.0.0.1", or mqtt.mode = "external" for a broker on the network.',
        )
    return str(address)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=READY_TIMEOUT_S):
            return True
    except OSError:
        return False
