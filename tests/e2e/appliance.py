"""The whole appliance beside a real Mosquitto, a foreign scanner and a pager that writes everything down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import SystemClock
from edge.demo import demo_environment
from edge.mqtt.message import AlertMessage, ResultMessage
from edge.mqtt.subscriber import AlertSubscriber
from edge.mqtt.topics import filters
from edge.settings import Settings
from edge.settings_source import load_settings
from edge.supervisor import Supervisor
from edge.triton.embedded import region_prefix
from edge.up import start_appliance

CHECKOUT = Path(__file__).resolve().parents[2]
GE_HEAD = CHECKOUT.parent / "shared" / "data" / "ct-head-ge"
# Installing Triton takes minutes: every appliance of the tests uses one installation, one at a time.
INSTALLED = Path(os.environ.get("EDGE_TEST_STATE", CHECKOUT / ".edge" / "test"))


class Mosquitto:
    """A broker of the site's own: it may be stopped, frozen and started again, and keeps sessions."""

    def __init__(self, folder: Path, port: int) -> None:
        self._config = folder / "mosquitto.conf"
        self._port = port
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nuser root\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    def kill(self) -> None:
        """kill -9; it writes its sessions down every half hour, so they are gone as well."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)


@dataclass
class Pager:
    """Everything a subscriber heard, in order; equal keys are the same message again."""

    subscriber: AlertSubscriber
    alerts: list[AlertMessage] = field(default_factory=list)
    results: list[ResultMessage] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._hear(left)

    def until(self, met: Callable[[Pager], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not met(self):
            left = deadline - time.monotonic()
            assert left > 0, f"{what}: not within {timeout_s} s; heard {self.heard()}"
            self._hear(min(left, 0.5))

    def until_results(self, count: int, timeout_s: float = 60.0) -> list[ResultMessage]:
        self.until(lambda p: len(p.results) >= count, timeout_s, f"{count} results")
        return self.results

    def heard(self) -> list[str]:
        return [f"alert {a.status}" for a in self.alerts] + [
            f"result {r.outcome} ({r.reason}: {r.detail})" for r in self.results
        ]

    def statuses(self) -> list[str]:
        return [str(a.status) for a in self.alerts]

    def _hear(self, seconds: float) -> None:
        came = self.subscriber.receive(seconds)
        if came is None or came.key in self.keys:
            return
        if isinstance(came.message, AlertMessage):
            self.keys.append(came.key)
            self.alerts.append(came.message)
        elif isinstance(came.message, ResultMessage):
            self.keys.append(came.key)
            self.results.append(came.message)


class Appliance:
    """`edge up` in this process; its programs are children that a test may kill by name."""

    def __init__(
        self,
        folder: Path,
        *,
        state_dir: Path | None = None,
        broker_port: int | None = None,
        **settings: str,
    ) -> None:
        """`broker_port` is where the broker listens, if something lies between it and mqtt.port."""
        self.state_dir = state_dir or folder / "state"
        self.state_dir.mkdir(parents=True)
        shared = INSTALLED / "triton"
        shared.mkdir(parents=True, exist_ok=True)
        (self.state_dir / "triton").symlink_to(shared, target_is_directory=True)
        environment = {
            **os.environ,
            **demo_environment(self.state_dir),
            "EDGE_MQTT__MODE": "external",
            "EDGE_COMPLETENESS__QUIET_S": "2",
            # The pager of these tests writes down and never answers: nobody else is to be rung for that.
            "EDGE_ALERTING__DELIVER_S": "3600",
            "EDGE_ALERTING__OFFER_S": "3600",
            **settings,
        }
        self.settings: Settings = load_settings(None, environment)
        self.environment = environment
        self.broker = Mosquitto(folder, broker_port or self.settings.mqtt.port)
        self._supervisor: Supervisor | None = None
        self.said: list[str] = []
        subscriber = AlertSubscriber(
            self.settings.mqtt, "test-pager", filters(self.settings.mqtt.topic_prefix), SystemClock()
        )
        self.pager = Pager(subscriber)

    def __enter__(self) -> Appliance:
        self.broker.start()
        self.pager.subscriber.start()
        assert self.pager.subscriber.wait_subscribed(10)
        try:
            self._supervisor = start_appliance(self.settings, self.environment, self.said.append)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.pager.subscriber.close()
        self.stop()
        self.broker.stop()

    def signal(self, program: str, number: signal.Signals) -> None:
        os.kill(self.pid(program), number)

    def pid(self, program: str) -> int:
        assert self._supervisor is not None
        return self._supervisor.pid(program)

    def restart(self) -> None:
        """All programs of ours stopped as an operator would, if they run, and started again."""
        self.stop()
        self._supervisor = start_appliance(self.settings, self.environment, self.said.append)

    def stop(self) -> None:
        """All programs of ours; the broker goes on."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def running(self, program: str) -> int | None:
        """Its process id while it runs; a number that was ours once may be a stranger's by now."""
        assert self._supervisor is not None
        pid = self._supervisor.pid(program)
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            return None
        return pid if parent == os.getpid() else None

    def stubs(self) -> int:
        """Living python stubs of this appliance's Triton."""
        prefix = region_prefix(self.state_dir)
        lines = [p.read_bytes().decode(errors="replace") for p in Path("/proc").glob("[0-9]*/cmdline")]
        return sum("triton_python_backend_stub" in line.split("\0")[0] and prefix in line for line in lines)

    def log(self, program: str) -> str:
        return (self.state_dir / "logs" / f"{program}.log").read_text()

    def storescu(self, *files: Path | str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """DCMTK as the scanner; TCP_NODELAY, or every object stalls 40 ms."""
        dicom = self.settings.dicom
        return subprocess.run(
            [
                "storescu",
                *options,
                *("-aet", "CT_ER_1", "-aec", dicom.ae_title),
                *(dicom.host, str(dicom.port)),
                *map(str, files),
            ],
            env={**os.environ, "TCP_NODELAY": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def copies(files: Sequence[Path], folder: Path) -> list[Path]:
    """The files in a folder of the test's own, in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(f, folder / f"{i:04d}.dcm")) for i, f in enumerate(files)]
