"""The real tritonserver of the nvidia-pytriton wheel as a program for `edge up` (CPU, python backend)."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

from edge.errors import FixConfiguration
from edge.launch import LaunchSpec
from edge.settings import Settings
from edge.triton import start_server
from edge.triton.provision import Installation

_LOOPBACK = ("127.0.0.1", "localhost")
_READY_TIMEOUT_S = 0.5


def launch_spec(settings: Settings, state_dir: Path, installation: Installation) -> LaunchSpec:
    """How to start the server on loopback; about a second until `ready`.

    `environment` is complete: it is not to be merged with the caller's. The server ends with the
    thread that starts it (PR_SET_PDEATHSIG), so start it from one that lives as long as it should.
    Raises FixConfiguration when triton.grpc_url or models.repository cannot work.
    """
    grpc_port = embedded_grpc_port(settings.triton.grpc_url)
    repository = settings.models.repository.absolute()
    model = settings.models.active
    if not (repository / model / "config.pbtxt").exists():
        raise FixConfiguration(
            f"{repository / model / 'config.pbtxt'} does not exist",
            hint="Set models.repository to the folder that holds the model folders.",
        )
    log = (state_dir / "logs" / "triton.log").absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    prefix = region_prefix(state_dir)
    server = (
        str(installation.server),
        f"--model-repository={repository}",
        f"--backend-directory={installation.backend_dir}",
        f"--cache-directory={installation.server_dir / 'caches'}",
        "--model-config-name=cpu",
        "--disable-auto-complete-config",
        "--model-control-mode=explicit",
        f"--load-model={model}",
        "--exit-on-error=false",
        "--http-address=127.0.0.1",
        f"--http-port={settings.triton.http_port}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={grpc_port}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={settings.triton.metrics_port}",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        "--exit-timeout-secs=5",
        f"--backend-config=python,shm-region-prefix-name={prefix}",
        "--metrics-config=summary_latencies=true",
        "--log-format=ISO8601",
    )
    argv = (
        *(sys.executable, "-I", start_server.__file__),
        *("--sweep", prefix),
        *("--log", str(log)),
        *("--pid-file", str(_pid_file(state_dir))),
        *("--library-path", ":".join(str(p) for p in installation.library_path)),
        *("--bin-path", str(installation.venv / "bin")),
        "--",
        *server,
    )
    address = f"http://127.0.0.1:{settings.triton.http_port}/v2/models/{model}/ready"
    return LaunchSpec(
        name="triton",
        argv=argv,
        environment={k: v for k, v in os.environ.items() if not k.startswith("EDGE_")},
        ready=lambda: _answers(address),
        stop_timeout_s=8.0,
    )


def embedded_grpc_port(grpc_url: str) -> int:
    """The port of a loopback host:port; raises FixConfiguration for anything else."""
    host, _, port = grpc_url.rpartition(":")
    if host not in _LOOPBACK or not port.isdigit():
        raise FixConfiguration(
            f"triton.grpc_url is {grpc_url}, but the embedded server listens on 127.0.0.1 only",
            hint="Use 127.0.0.1:<port>, or set triton.mode to external.",
        )
    return int(port)


def region_prefix(state_dir: Path) -> str:
    """Names the python backend's shared memory, so that one appliance never sweeps another's."""
    digest = hashlib.sha256(str(state_dir.absolute()).encode()).hexdigest()[:8]
    return f"edge_stub_{digest}_"


def stop_server(state_dir: Path) -> bool:
    """Kills the server `launch_spec` started, for its supervisor to start it afresh; False if none runs.

    The last remedy against a server that answers wrongly; it does not end by itself, so SIGKILL.
    """
    try:
        pid = int(_pid_file(state_dir).read_text())
        if Path(f"/proc/{pid}/exe").readlink().name != "tritonserver":
            return False
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    return True


def _pid_file(state_dir: Path) -> Path:
    """Of this appliance alone: several may share one installation."""
    return (state_dir / "triton.pid").absolute()


def _answers(address: str) -> bool:
    """Per-model ready: the server's own stays 400 after any failed load. A proxy must not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_READY_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
