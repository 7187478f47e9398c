"""A broker that answers pings but, on its first connection, no PUBLISH: what keep alive cannot find."""

from __future__ import annotations

import socket
import threading
from typing import BinaryIO

CONNECT, PUBLISH, PINGREQ = 1, 3, 12
CONNACK = bytes([0x20, 3, 0, 0, 0])
PINGRESP = bytes([0xD0, 0])


class MuteBroker:
    """Listens on `port` of loopback; `connections` counts the CONNECTs it accepted."""

    def __init__(self) -> None:
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as stream:
                self._converse(stream)

    def _converse(self, stream: BinaryIO) -> None:
        while header := stream.read(1):
            kind, body = header[0] >> 4, stream.read(_remaining_length(stream))
            if kind == CONNECT:
                self.connections += 1
                stream.write(CONNACK)
            elif kind == PINGREQ:
                stream.write(PINGRESP)
            elif kind == PUBLISH and self.connections > 1:
                topic_length = int.from_bytes(body[:2], "big")
                stream.write(bytes([0x40, 2]) + body[2 + topic_length : 4 + topic_length])
            stream.flush()


def _remaining_length(stream: BinaryIO) -> int:
    """Variable byte integer (MQTT 5, 1.5.5)."""
    length, shift = 0, 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return length
        shift += 7
