"""Real brokers to be killed, frozen and brought back, behind one face."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.mqtt.embedded import embedded_broker
from edge.settings import MqttSettings

START_TIMEOUT_S = 10.0


@dataclass
class BrokerProcess:
    """`start` returns once it answers; `kill` is kill -9; frozen it is there but silent."""

    argv: tuple[str, ...]
    ready: Callable[[], bool]
    settings: MqttSettings
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready():
            assert self.process.poll() is None, f"{self.argv[0]} ended with {self.process.returncode}"
            assert time.monotonic() < deadline, f"{self.argv[0]} does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.thaw()
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Returns once every thread stands still."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)


def embedded(folder: Path, port: int) -> BrokerProcess:
    settings = MqttSettings(port=port, keepalive_s=2)
    launch = embedded_broker(settings, folder)
    return BrokerProcess(launch.argv, launch.ready, settings)


def mosquitto(folder: Path, port: int, *lines: str, **settings: object) -> BrokerProcess:
    """Anonymous on loopback unless `lines` of mosquitto.conf say otherwise."""
    configuration = folder / "mosquitto.conf"
    # Started by root it would become `mosquitto` and could not read the test's folder any more.
    text = "\n".join(["user root", f"listener {port} 127.0.0.1", *(lines or ("allow_anonymous true",))])
    configuration.write_text(text + "\n")
    ready = embedded_broker(MqttSettings(port=port), folder).ready
    return BrokerProcess(
        ("mosquitto", "-c", str(configuration)),
        ready,
        MqttSettings.model_validate({"port": port, "keepalive_s": 2, **settings}),
    )
