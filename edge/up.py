"""`edge up`: broker, Triton, receiver, agent and canary as supervised processes of one appliance."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.clock import SystemClock
from edge.launch import LaunchSpec
from edge.mqtt.embedded import embedded_broker
from edge.settings import Settings
from edge.signals import stop_requested
from edge.supervisor import Supervisor
from edge.triton.embedded import launch_spec
from edge.triton.provision import Installation, provision

READY_S = 45.0


def run_appliance(settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Until SIGTERM or SIGINT; `environment` reaches the processes and so carries the settings."""
    stopping = stop_requested()
    supervisor = start_appliance(settings, environment, say)
    try:
        say(where_it_listens(settings))
        stopping.wait()
        say("stopping ...")
    finally:
        supervisor.stop()


def start_appliance(
    settings: Settings, environment: Mapping[str, str], say: Callable[[str], None]
) -> Supervisor:
    """The running appliance, every process ready; raises FixConfiguration or RetryPeer and stops all."""
    state_dir = settings.appliance.state_dir
    installation = provision(state_dir, say) if settings.triton.mode == "embedded" else None
    specs: list[LaunchSpec] = []
    if settings.mqtt.mode == "embedded":
        specs.append(embedded_broker(settings.mqtt, state_dir))
    if isinstance(installation, Installation):
        specs.append(launch_spec(settings, state_dir, installation))
    elif installation is not None:
        say(
            f"Triton cannot run here ({installation.reason}); results will be degraded. {installation.remedy}"
        )
    telemetry = settings.telemetry
    specs.append(_ours("receive", "receiver", telemetry.receiver_port, settings, environment))
    specs.append(_ours("run", "agent", telemetry.agent_port, settings, environment))
    if settings.canary.on:
        specs.append(_canary(environment))
    supervisor = Supervisor(state_dir / "logs", SystemClock(), say)
    try:
        supervisor.start(specs, READY_S)
    except BaseException:
        supervisor.stop()
        raise
    return supervisor


def where_it_listens(settings: Settings) -> str:
    """One line a part, for a person."""
    dicom, mqtt, telemetry = settings.dicom, settings.mqtt, settings.telemetry
    topics = f"{mqtt.topic_prefix}/{settings.appliance.name}/#"
    lines = [
        "edge is up (research use, not for clinical use)",
        f"  DICOM      {dicom.host}:{dicom.port}, AE title {dicom.ae_title}",
        f"  MQTT       {mqtt.host}:{mqtt.port} ({mqtt.mode}), topics {topics}",
        f"  Triton     {settings.triton.grpc_url} ({settings.triton.mode}), model {settings.models.active}",
        f"  metrics    http://{telemetry.host}:{telemetry.receiver_port}/metrics (receiver)",
        f"             http://{telemetry.host}:{telemetry.agent_port}/metrics (agent)",
        f"  state      {settings.appliance.state_dir} (logs in logs/)",
        f"  try        edge send --phantom --bleed intraparenchymal:30 --rate 5 --port {dicom.port}",
        "  stop       Ctrl-C",
    ]
    return "\n".join(lines)


def _canary(environment: Mapping[str, str]) -> LaunchSpec:
    """Nothing waits for it: its first verdict comes half a minute later."""
    argv = (sys.executable, "-m", "edge", "canary", "--watch")
    return LaunchSpec("canary", argv, _with_package(environment), ready=lambda: True, stop_timeout_s=5.0)


def _with_package(environment: Mapping[str, str]) -> Mapping[str, str]:
    package = Path(__file__).resolve().parent.parent
    search = os.pathsep.join([str(package), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**environment, "PYTHONPATH": search}


def _ours(
    command: str, name: str, port: int, settings: Settings, environment: Mapping[str, str]
) -> LaunchSpec:
    return LaunchSpec(
        name=name,
        argv=(sys.executable, "-m", "edge", command),
        environment=_with_package(environment),
        ready=lambda: _healthy(settings.telemetry.host, port, name),
        stop_timeout_s=15.0,
    )


def _healthy(host: str, port: int, role: str) -> bool:
    address = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104 - compared, not bound
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}:{port}/healthz", timeout=0.5) as response:
            return bool(json.load(response).get("ok", True)) and response.status == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False
