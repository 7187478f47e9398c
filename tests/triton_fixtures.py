"""A real tritonserver for tests: installed once and shared, started afresh for each module."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.launch import LaunchSpec
from edge.settings import Settings
from edge.triton.embedded import launch_spec, region_prefix
from edge.triton.libpython import Unavailable
from edge.triton.provision import Installation, provision
from edge.triton.regions import SHARED_MEMORY

ROOT = Path(__file__).resolve().parents[1]
MODEL = "ct_head_hyperdensity"
MODEL_FOLDER = ROOT / "model_repo" / MODEL
START_S = 20.0


class RunningTriton:
    """The embedded server under a test's thumb; `settings` say where it listens."""

    def __init__(
        self, installation: Installation, state_dir: Path, repository: Path = MODEL_FOLDER.parent
    ) -> None:
        grpc, http, metrics = _free_ports(3)
        self.settings = Settings.model_validate(
            {
                "appliance": {"state_dir": state_dir},
                "triton": {"grpc_url": f"127.0.0.1:{grpc}", "http_port": http, "metrics_port": metrics},
                "models": {"repository": repository, "active": MODEL},
            }
        )
        self.state_dir = state_dir
        self.spec: LaunchSpec = launch_spec(self.settings, state_dir, installation)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.state_dir / "logs" / "triton.log").read_text(errors="replace")

    def start(self) -> float:
        """Waits until it is ready and says how long that took, in seconds."""
        began = time.monotonic()
        self._process = subprocess.Popen(self.spec.argv, env=dict(self.spec.environment))
        while not self.spec.ready():
            assert self._process.poll() is None, self.log
            assert time.monotonic() - began < START_S, self.log
            time.sleep(0.02)
        return time.monotonic() - began

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(self.spec.stop_timeout_s)

    def signal_server(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def reap(self, timeout_s: float | None = None) -> int:
        assert self._process is not None
        return self._process.wait(timeout_s or self.spec.stop_timeout_s)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def stub_pid(self) -> int:
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        children = {p for children in tasks for p in children.read_text().split()}
        # A stub that is being replaced may still be there: the youngest one serves.
        stubs = [int(p) for p in children if b"backend_stub" in Path(f"/proc/{p}/cmdline").read_bytes()]
        return max(stubs)

    def ensure(self) -> None:
        """Running and answering, whatever the test before did to it."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.end()
        # The next start sweeps what killed stubs left; here there is no next start.
        for leftover in SHARED_MEMORY.glob(f"{region_prefix(self.state_dir)}*"):
            leftover.unlink()


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(p.getsockname()[1]) for p in probes]
    finally:
        for probe in probes:
            probe.close()


def shared_state_dir() -> Path:
    """Where what takes minutes to install is kept between runs."""
    return Path(os.environ.get("EDGE_TEST_STATE") or ROOT / ".edge" / "test")


@pytest.fixture(scope="session")
def installation() -> Installation:
    found = provision(shared_state_dir(), print)
    if isinstance(found, Unavailable):
        if os.environ.get("EDGE_REQUIRE_PEERS") == "1":
            pytest.fail(f"EDGE_REQUIRE_PEERS=1 but {found.reason}")
        pytest.skip(f"{found.reason}. {found.remedy}")
    return found


@pytest.fixture(scope="module")
def triton(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    server = RunningTriton(installation, tmp_path_factory.mktemp("triton"))
    server.start()
    yield server
    server.stop()
