"""The programs that receive, each started afresh for every point with a folder of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import edge
from tests.bench.processes import running

_ROOT = Path(edge.__file__).resolve().parents[1]
_READY_S = 60.0
_SMALL = 256 << 10
# Without it every object stalls 40 ms between two small segments (Nagle against delayed ACK).
NO_DELAY = {"TCP_NODELAY": "1"}


@dataclass(frozen=True)
class Peer:
    """`argv` gets the folder, the port and the longest PDU; `stored` lists what was kept in the folder."""

    name: str
    ae_title: str
    argv: Callable[[Path, int, int], list[str]]
    stored: Callable[[Path], list[Path]]

    @contextmanager
    def listening(self, folder: Path, max_pdu_bytes: int) -> Generator[tuple[int, int]]:
        """Process id and port, once it answers a C-ECHO."""
        folder.mkdir(parents=True)
        port = _free_port()
        environment = {**NO_DELAY, "PYTHONPATH": str(_ROOT)}
        log = folder.with_suffix(".log")
        with running(self.argv(folder, port, max_pdu_bytes), log, environment) as process:
            self._await_echo(process, port, log)
            yield process.pid, port

    def _await_echo(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        deadline = time.monotonic() + _READY_S
        while not self.echoes(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self.name} does not answer; its log ends with: {log.read_text()[-800:]}"
                )
            time.sleep(0.1)

    def echoes(self, port: int) -> bool:
        """Whether it answers; a forking storescp also reaps its children before it does."""
        asked = subprocess.run(
            ["echoscu", "-q", "-aec", self.ae_title, "127.0.0.1", str(port)],
            capture_output=True,
            timeout=_READY_S,
            check=False,
        )
        return asked.returncode == 0


def _edge(command: list[str]) -> Callable[[Path, int, int], list[str]]:
    def argv(folder: Path, port: int, max_pdu_bytes: int) -> list[str]:
        config = folder / "edge.toml"
        config.write_text(
            f'[appliance]\nname = "bench"\nstate_dir = "{folder / "state"}"\n'
            f"[dicom]\nport = {port}\nmin_free_gib = 0.2\nmax_pdu_bytes = {max_pdu_bytes}\n"
            f"[telemetry]\nreceiver_port = {_free_port()}\n"
        )
        return [sys.executable, *(word.replace("CONFIG", str(config)) for word in command)]

    return argv


def _storescp(folder: Path, port: int, max_pdu_bytes: int) -> list[str]:
    return [
        *("storescp", "-q", "--fork", "+B", "-dhl", "-aet", "STORESCP"),
        *("-pdu", str(max_pdu_bytes), "-od", str(_kept(folder)), str(port)),
    ]


def _orthanc(folder: Path, port: int, max_pdu_bytes: int) -> list[str]:
    config = folder / "orthanc.json"
    config.write_text(
        json.dumps(
            {
                "StorageDirectory": str(_kept(folder)),
                "IndexDirectory": str(folder),
                "Plugins": [],
                "HttpServerEnabled": False,
                "DicomPort": port,
                "DicomAet": "ORTHANC",
                "DicomAlwaysAllowEcho": True,
                "DicomAlwaysAllowStore": True,
                "MaximumPduLength": max_pdu_bytes,
            }
        )
    )
    return ["Orthanc", str(config)]


def _pynetdicom(folder: Path, port: int, max_pdu_bytes: int) -> list[str]:
    module = "tests.bench.pynetdicom_receiver"
    return [sys.executable, "-m", module, str(_kept(folder)), str(port), str(max_pdu_bytes)]


def _kept(folder: Path) -> Path:
    kept = folder / "kept"
    kept.mkdir(exist_ok=True)
    return kept


def _in_kept(folder: Path) -> list[Path]:
    """Orthanc puts them into folders of folders, and what is smaller than an instance is its own."""
    return [path for path in _kept(folder).rglob("*") if path.is_file() and path.stat().st_size > _SMALL]


def _in_inbox(folder: Path) -> list[Path]:
    return list((folder / "state" / "inbox").glob("[0-9a-f][0-9a-f]/*.dcm"))


AS_SHIPPED = Peer("edge receive", "EDGE", _edge(["-m", "edge", "--config", "CONFIG", "receive"]), _in_inbox)
WITHOUT_SYNC = Peer(
    "edge receive, no sync", "EDGE", _edge(["-m", "tests.bench.receiver_without_sync", "CONFIG"]), _in_inbox
)
STORESCP = Peer("storescp", "STORESCP", _storescp, _in_kept)
ORTHANC = Peer("Orthanc", "ORTHANC", _orthanc, _in_kept)
PYNETDICOM = Peer("pynetdicom", "PYNETDICOM", _pynetdicom, _in_kept)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
